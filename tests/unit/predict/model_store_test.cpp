// SPDX-License-Identifier: Apache-2.0
#include "predict/model_store.hpp"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/predictions.hpp"
#include "support/program.hpp"

namespace osteon::predict {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBytes = 4096;  // of a model of the tests
std::atomic<int> alive{0};            // instances of it

osteon_model_api make_api() {
  auto api = sdk::sized<osteon_model_api>();
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_model_request*, osteon_model** out,
                  osteon_error*) {
    ++alive;
    *out = reinterpret_cast<osteon_model*>(&alive);
    return osteon_status{OSTEON_OK};
  };
  api.destroy = [](osteon_model*) { --alive; };
  api.info = [](const osteon_model*) -> const osteon_model_info* {
    static const osteon_model_output output = [] {
      auto made = sdk::sized<osteon_model_output>();
      made.name = "main";
      made.role = OSTEON_OUTPUT_MAIN;
      made.stride = made.channels = 1;
      return made;
    }();
    static const osteon_model_output* const outputs[] = {&output};
    static const osteon_model_info info = [] {
      auto made = sdk::sized<osteon_model_info>();
      made.in_channels = made.n_classes = made.size_multiple = 1;
      made.n_outputs = 1;
      made.outputs = outputs;
      return made;
    }();
    return &info;
  };
  api.tensors = [](const osteon_call*, osteon_model*, std::uint64_t* count, const osteon_named_tensor* const** out,
                   osteon_error*) {
    static float values[kBytes / 4];
    static std::int64_t shape[] = {kBytes / 4}, strides[] = {1};
    static const osteon_named_tensor tensor = [] {
      auto made = sdk::sized<osteon_named_tensor>();
      made.role = OSTEON_TENSOR_PARAMETER;
      made.depth = -1;
      made.name = "weight";
      made.value = {values, {OSTEON_DEVICE_CPU, 0}, 1, sdk::dtype_of<float>(), shape, strides, 0};
      return made;
    }();
    static const osteon_named_tensor* const list[] = {&tensor};
    *count = 1;
    *out = list;
    return osteon_status{OSTEON_OK};
  };
  return api;
}

std::unique_ptr<plugin::Model> make_model() {
  static const osteon_model_api api = make_api();
  static const osteon_component component = [] {
    auto made = sdk::sized<osteon_component>();
    made.api = &api;
    return made;
  }();
  plugin::LoadedComponent loaded;
  loaded.component = &component;
  loaded.schema.name = "counted";
  return std::make_unique<plugin::Model>(loaded, plugin::Parameters{}, test::classes(1, false), 1, 1, plugin::Call());
}

class Store : public ::testing::Test {
 protected:
  void SetUp() override { alive = 0; }
  std::string file(const std::string& name, const std::string& content = {}) const {
    const fs::path path = folder_ / name;
    if (!content.empty()) test::write_text(path, content);
    return path.string();
  }
  std::shared_ptr<StoredModel> hold(const std::string& name, const std::string& kind = "kind") {
    return store_.hold({kind, {file(name)}, name}, make_model);
  }
  test::TemporaryFolder folder_;
  ModelStore store_;
};

TEST_F(Store, OpensAModelWhenItIsWantedAndOnce) {
  file("a", "weights");
  const auto first = hold("a"), second = hold("a");
  EXPECT_EQ(first, second);
  EXPECT_EQ(alive, 0) << "before it is wanted";
  const auto model = first->acquire();
  EXPECT_EQ(second->acquire(), model);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(store_.counts().models, 1u);
  EXPECT_EQ(store_.counts().opened, 1u);
  EXPECT_EQ(store_.counts().bytes, kBytes);
}

TEST_F(Store, KnowsAModelByItsContentAndItsKind) {
  file("a", "weights");
  file("copy", "weights");
  file("same size", "WEIGHTS");
  file("longer", "weights.");
  fs::create_hard_link(file("a"), file("link"));
  const auto a = hold("a");
  EXPECT_EQ(hold("copy"), a);
  EXPECT_EQ(hold("link"), a);
  EXPECT_NE(hold("same size"), a);
  EXPECT_NE(hold("longer"), a);
  EXPECT_NE(hold("a", "on another device"), a);
  const auto two = store_.hold({"kind", {file("a"), file("copy")}, "two files"}, make_model);
  EXPECT_NE(two, a);
}

TEST_F(Store, LetsGoOfWhatNobodyHolds) {
  file("a", "weights");
  auto a = hold("a");
  a->acquire();
  a.reset();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(store_.counts().models, 0u);
  a = hold("a");
  a->acquire();
  EXPECT_EQ(store_.counts().opened, 2u);
}

TEST_F(Store, GivesUpWhatWasNotWantedLongestAndOpensItAgain) {
  for (const char* name : {"a", "b", "c"}) file(name, std::string("weights ") + name);
  const auto a = hold("a"), b = hold("b"), c = hold("c");
  store_.set_bound(2 * kBytes);
  a->acquire();
  b->acquire();
  a->acquire();
  c->acquire();
  EXPECT_EQ(store_.counts().open, 2u);
  EXPECT_EQ(store_.counts().given_up, 1u);
  a->acquire();
  EXPECT_EQ(store_.counts().opened, 3u) << "it was b";
  b->acquire();
  EXPECT_EQ(store_.counts().opened, 4u);
  EXPECT_EQ(alive, 2);
  store_.set_bound(kBytes);
  EXPECT_EQ(alive, 1);
  store_.set_bound(0);
  for (const auto& model : {a, b, c}) model->acquire();
  EXPECT_EQ(alive, 3) << "0 is no bound";
}

TEST_F(Store, LeavesWhatIsInUse) {
  for (const char* name : {"a", "b"}) file(name, std::string("weights ") + name);
  const auto a = hold("a"), b = hold("b");
  store_.set_bound(kBytes);
  auto used = a->acquire();
  const auto other = b->acquire();
  EXPECT_EQ(alive, 2) << "more than the bound, for both are in use";
  used.reset();
  store_.set_bound(kBytes);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(b->acquire(), other);
}

TEST_F(Store, SaysWhatBecameOfAFile) {
  file("a", "weights");
  const auto a = hold("a");
  file("a", "other weights");
  try {
    a->acquire();
    FAIL() << "it is another model";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kResources);
    EXPECT_EQ(e.where(), file("a"));
    EXPECT_THAT(e.what(), ::testing::HasSubstr("the file was changed since the run was opened"));
  }
  EXPECT_NE(hold("a"), a) << "it is held as what it is now";
  hold("a")->acquire();
  EXPECT_THROW(hold("nowhere"), Error);
}

TEST_F(Store, StaysAsItWasWhenAModelCannotBeOpened) {
  file("a", "weights");
  int calls = 0;
  const auto a = store_.hold({"kind", {file("a")}, "a"}, [&]() -> std::unique_ptr<plugin::Model> {
    if (++calls == 1) throw Error(ExitCode::kData, "no");
    return make_model();
  });
  EXPECT_THROW(a->acquire(), Error);
  EXPECT_EQ(store_.counts().opened, 0u);
  EXPECT_NE(a->acquire(), nullptr);
}

TEST_F(Store, IsForManyThreads) {
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back("model" + std::to_string(i));
  for (const std::string& name : names) file(name, "weights of " + name);
  store_.set_bound(2 * kBytes);
  std::vector<std::shared_ptr<StoredModel>> models;
  for (const std::string& name : names) models.push_back(hold(name));
  std::atomic<int> missing{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 200; ++i) {
        const auto model = models[(t + i * (t + 1)) % models.size()]->acquire();
        if (model->n_classes() != 1) ++missing;
        if (i % 50 == 0) hold(names[t]);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missing, 0);
  const ModelStore::Counts counts = store_.counts();
  EXPECT_EQ(counts.opened - counts.given_up, counts.open);
  EXPECT_EQ(static_cast<std::size_t>(alive), counts.open);
  store_.set_bound(2 * kBytes);
  EXPECT_LE(alive, 2);
}

}  // namespace
}  // namespace osteon::predict
