// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/torch/plan_memory.hpp>

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/rounding.hpp"
#include "toys.hpp"

namespace osteon::sdk {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Frozen : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x) + x.mean().item<float>(); }
};

/// A new instance stands for a new process: it shares nothing with others but the folder.
class PlanMemoryTest : public ::testing::Test {
 protected:
  PlanMemoryTest() { ::setenv("OSTEON_PLAN_FOLDER", (folder_ / "plans").c_str(), 1); }
  ~PlanMemoryTest() override { ::unsetenv("OSTEON_PLAN_FOLDER"); }

  template <class M>
  std::string plan_after(int forwards) {
    const auto model = make<M>();
    call_.lines.clear();
    for (int i = 0; i < forwards; ++i) {
      const at::Tensor x = ramp(2) * static_cast<float>(i + 1), expected = model->infer(call_, x);
      EXPECT_LE((model->infer(call_, x, 0) - expected).abs().max().template item<double>(),
                test::rounding(27) * expected.abs().max().template item<double>());
    }
    const auto* plan =
        static_cast<const osteon_inference_plan*>(model->component().extension(OSTEON_EXTENSION_INFERENCE_PLAN));
    std::string text;
    check([&](osteon_error* e) {
      return plan->describe(
          model->get(), [](void* user, const char* line) { static_cast<std::string*>(user)->append(line); }, &text, e);
    });
    return text;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (fs::exists(folder_ / "plans"))
      for (const auto& entry : fs::directory_iterator(folder_ / "plans")) found.push_back(entry.path());
    return found;
  }
  /// Makes the one file say that this strategy won.
  void choose(const std::string& number) {
    std::istringstream lines(osteon::test::slurp(files().at(0)));
    std::string key, choice, rest;
    std::getline(lines, key);
    std::getline(lines, choice);
    std::getline(lines, rest, '\0');
    for (std::size_t at = 0; (at = rest.find("dropped:", at)) != std::string::npos; at += 8)
      rest.erase(at + 8, rest.find('\n', at) - at - 8);
    osteon::test::write_text(files().at(0), key + "\n" + number + "\n" + rest);
  }

  osteon::test::TemporaryFolder folder_;
  RecordingCall call_;
};

TEST_F(PlanMemoryTest, KeepsWhatWasMeasuredForTheNextProcess) {
  EXPECT_THAT(plan_after<ReluLast>(3), HasSubstr("still measuring"));
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_THAT(plan_after<ReluLast>(12), Not(HasSubstr("earlier process")));
  ASSERT_EQ(files().size(), 1u);
  EXPECT_THAT(plan_after<ReluLast>(1), HasSubstr("as an earlier process measured"));
  for (const auto& [number, name] :
       {std::pair("0", "plain"), std::pair("1", "channels-last"), std::pair("2", "graph")}) {
    choose(number);
    EXPECT_THAT(plan_after<ReluLast>(4), HasSubstr("runs " + std::string(name) + ", as an earlier process measured"));
    EXPECT_THAT(call_.lines, IsEmpty()) << name;
  }
}

TEST_F(PlanMemoryTest, ComparesAChoiceBeforeItReliesOnIt) {
  plan_after<Frozen>(12);
  ASSERT_EQ(files().size(), 1u);
  choose("2");
  EXPECT_THAT(plan_after<Frozen>(4), HasSubstr("graph dropped; runs plain"));
  EXPECT_THAT(call_.lines, ElementsAre(HasSubstr("graph is not used")));
  EXPECT_THAT(plan_after<Frozen>(4), HasSubstr("graph dropped; runs plain"));
  EXPECT_THAT(call_.lines, IsEmpty()) << "it is not tried again";
}

TEST_F(PlanMemoryTest, MeasuresAnewWhereAFileIsDamaged) {
  plan_after<ReluLast>(12);
  const std::string whole = osteon::test::slurp(files().at(0));
  for (const std::string& text :
       {std::string(), whole.substr(0, whole.size() / 2), "x" + whole, whole.substr(0, whole.find('\n')) + "\n9\n"}) {
    osteon::test::write_text(files().at(0), text);
    EXPECT_THAT(plan_after<ReluLast>(1), HasSubstr("still measuring")) << text;
  }
}

TEST_F(PlanMemoryTest, SaysWhereItCannotKeepAnything) {
  osteon::test::write_text(folder_ / "plans", "a file");
  plan_after<ReluLast>(12);
  EXPECT_THAT(call_.lines, ::testing::Contains(HasSubstr("cannot be kept in " + (folder_ / "plans").string())));
  ::setenv("OSTEON_PLAN_FOLDER", "", 1);
  plan_after<ReluLast>(12);
  EXPECT_THAT(call_.lines, Not(::testing::Contains(HasSubstr("cannot be kept"))));
}

}  // namespace
}  // namespace osteon::sdk
