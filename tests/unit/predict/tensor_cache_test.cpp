// SPDX-License-Identifier: Apache-2.0
#include "predict/tensor_cache.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <osteon/sdk/cache.hpp>

#include "predict/predictor.hpp"

namespace osteon::predict {
namespace {

sdk::OwnedTensor tensor(float value, std::int64_t count = 16) {
  const plugin::Call call;
  sdk::OwnedTensor made = sdk::Call(call.raw()).allocate<float>({count});
  std::fill_n(made.data<float>(), count, value);
  return made;
}

constexpr std::size_t kSize = 16 * sizeof(float) + 1;  // of a tensor with a key of one byte

TEST(TensorCache, FindsWhatWasKeptAndNothingElse) {
  TensorCache cache(1 << 20);
  EXPECT_TRUE(cache.find("a").empty());
  cache.keep("a", tensor(1));
  cache.keep("b", tensor(2));
  EXPECT_EQ(cache.find("a").data<float>()[15], 1);
  EXPECT_EQ(cache.find("b").data<float>()[0], 2);
  EXPECT_TRUE(cache.find("ab").empty());
  cache.keep("a", tensor(3));
  EXPECT_EQ(cache.find("a").data<float>()[0], 3);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.bytes(), 2 * kSize);
}

TEST(TensorCache, ForgetsWhatWasNotAskedForLongest) {
  TensorCache cache(3 * kSize);
  cache.keep("a", tensor(1));
  cache.keep("b", tensor(2));
  cache.keep("c", tensor(3));
  EXPECT_FALSE(cache.find("a").empty());
  cache.keep("d", tensor(4));
  EXPECT_TRUE(cache.find("b").empty());
  cache.keep("e", tensor(5));
  EXPECT_TRUE(cache.find("c").empty());
  for (const char* kept : {"a", "d", "e"}) EXPECT_FALSE(cache.find(kept).empty()) << kept;
  cache.set_bound(kSize);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_FALSE(cache.find("e").empty());
  cache.set_bound(0);
  EXPECT_EQ(cache.bytes(), 0u);
  cache.keep("f", tensor(6));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TensorCache, HoldsItsBound) {
  TensorCache cache(10 * kSize);
  for (int i = 0; i < 200; ++i) {
    cache.keep(std::string(1, static_cast<char>(i)), tensor(static_cast<float>(i), 1 + i % 40));
    ASSERT_LE(cache.bytes(), 10 * kSize);
  }
  cache.keep("x", tensor(1));
  cache.keep("large", tensor(1, 4000));
  EXPECT_TRUE(cache.find("large").empty());
  EXPECT_FALSE(cache.find("x").empty()) << "what cannot be kept pushes nothing out";
}

TEST(TensorCache, WhatWasFoundStaysValidWhenItIsForgotten) {
  std::atomic<int> released{0};
  osteon_tensor raw{};
  raw.struct_size = sizeof raw;
  tensor(7).move_to(&raw);
  struct Owner {
    osteon_tensor inner;
    std::atomic<int>& released;
  };
  const osteon_tensor inner = raw;
  raw.owner = new Owner{inner, released};
  raw.release = [](osteon_tensor* self) {
    auto* owner = static_cast<Owner*>(self->owner);
    owner->inner.release(&owner->inner);
    ++owner->released;
    delete owner;
  };
  TensorCache cache(kSize);
  cache.keep("a", sdk::OwnedTensor(raw));
  sdk::OwnedTensor found = cache.find("a"), again = cache.find("a");
  cache.keep("b", tensor(8));
  EXPECT_TRUE(cache.find("a").empty());
  EXPECT_EQ(found.data<float>()[15], 7);
  found.reset();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(again.data<float>()[0], 7);
  again.reset();
  EXPECT_EQ(released, 1);
}

TEST(TensorCache, IsUsedByManyThreadsAtOnce) {
  TensorCache cache(20 * kSize);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const int which = (i * 7 + t) % 40;
        const std::string key(1, static_cast<char>('A' + which));
        const sdk::OwnedTensor found = cache.find(key);
        if (found.empty())
          cache.keep(key, tensor(static_cast<float>(which)));
        else if (found.data<float>()[15] != static_cast<float>(which))
          ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.bytes(), 20 * kSize);
}

class CacheService : public ::testing::Test {
 protected:
  CacheService() : pixels_(4, 5, CV_32F, cv::Scalar(0.5)) {
    install_cache_service();
    shared_cache().set_bound(0);
    shared_cache().set_bound(1 << 20);
  }
  std::unique_ptr<RootImage> image(std::uint8_t digest) const {
    RootFacts facts;
    facts.digest.emplace().fill(digest);
    facts.spacing[0] = 0.25;
    facts.spacing[1] = 0.5;
    return std::make_unique<RootImage>(pixels_, "image", facts);
  }
  cv::Mat pixels_;
  plugin::Call call_;
};

TEST_F(CacheService, TellsImagesPlacesMakersAndParametersApart) {
  const sdk::Call call(call_.raw());
  const sdk::Cache cache(call, "features/1");
  const auto one = image(1), other = image(2);
  const sdk::CacheKey key = sdk::CacheKey(*one->get()).add(0.5).add("name");
  EXPECT_TRUE(cache.find(key).empty());
  const sdk::OwnedTensor kept = cache.keep(key, tensor(3));
  EXPECT_EQ(kept.data<float>()[0], 3) << "it is the caller's to read as well";
  EXPECT_EQ(cache.find(sdk::CacheKey(*one->get()).add(0.5).add("name")).data<float>()[0], 3);
  EXPECT_TRUE(cache.find(sdk::CacheKey(*other->get()).add(0.5).add("name")).empty()) << "another digest";
  EXPECT_TRUE(cache.find(sdk::CacheKey(*one->get()).add(0.25).add("name")).empty()) << "another parameter";
  EXPECT_TRUE(sdk::Cache(call, "features/2").find(key).empty()) << "another maker";
  // A part of the image is not the image.
  sdk::OwnedTensor pixels = call.allocate<float>({2, 3, 1});
  const sdk::Image part(std::move(pixels), sdk::Affine::of({1, 0, 2, 0, 1, 1}), *one->get());
  EXPECT_EQ(part.raw()->digest, one->get()->digest);
  EXPECT_EQ(part.raw()->to_root[2], 2);
  EXPECT_EQ(part.raw()->spacing[0], 0.25);
  EXPECT_EQ(part.raw()->spacing[1], 0.5);
  EXPECT_STREQ(part.raw()->root, "image");
  EXPECT_TRUE(cache.find(sdk::CacheKey(*part.raw()).add(0.5).add("name")).empty());
}

TEST_F(CacheService, KeepsNothingOfAnImageThatIsUnknown) {
  const RootImage unknown(pixels_, "image");
  const sdk::Cache cache(sdk::Call(call_.raw()), "features/1");
  const sdk::CacheKey key(*unknown.get());
  EXPECT_FALSE(key.usable());
  EXPECT_EQ(cache.keep(key, tensor(3)).data<float>()[0], 3);
  EXPECT_TRUE(cache.find(key).empty());
  EXPECT_EQ(shared_cache().size(), 0u);
  const auto known = image(1);
  sdk::OwnedTensor pixels = sdk::Call(call_.raw()).allocate<float>({4, 5, 1});
  EXPECT_FALSE(sdk::CacheKey(*sdk::Image(std::move(pixels), {}, *known->get()).altered().raw()).usable());
}

TEST_F(CacheService, RefusesWhatCannotBeKept) {
  const auto& service = sdk::Call(call_.raw()).service<osteon_cache_service>(OSTEON_SERVICE_CACHE);
  const char key[] = {1, 2};
  osteon_tensor none{};
  none.struct_size = sizeof none;
  EXPECT_EQ(service.keep(call_.raw(), "maker/1", key, 2, &none, nullptr), OSTEON_INVALID_ARGUMENT);
  osteon_tensor kept{};
  kept.struct_size = sizeof kept;
  tensor(1).move_to(&kept);
  EXPECT_EQ(service.keep(call_.raw(), "", key, 2, &kept, nullptr), OSTEON_INVALID_ARGUMENT);
  kept.view.device.type = OSTEON_DEVICE_CUDA;
  EXPECT_EQ(service.keep(call_.raw(), "maker/1", key, 2, &kept, nullptr), OSTEON_UNSUPPORTED);
  kept.view.device.type = OSTEON_DEVICE_CPU;
  EXPECT_EQ(kept.view.data == nullptr, false) << "what was refused is still its caller's";
  EXPECT_EQ(service.keep(call_.raw(), "maker/1", key, 2, &kept, nullptr), OSTEON_OK);
  EXPECT_EQ(kept.release, nullptr);
  sdk::OwnedTensor found;
  EXPECT_EQ(service.find(call_.raw(), "maker/1", key, 2, found.out(), nullptr), OSTEON_OK);
  EXPECT_EQ(found.data<float>()[3], 1);
}

}  // namespace
}  // namespace osteon::predict
