// SPDX-License-Identifier: Apache-2.0
#include "plugin/pool.hpp"

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace osteon::plugin {
namespace {

bool aligned(const void* block) { return reinterpret_cast<std::uintptr_t>(block) % 64 == 0; }

TEST(MemoryPool, GivesAlignedMemoryThatCanBeWrittenToItsEnd) {
  MemoryPool pool(1 << 20);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65},
                                  std::size_t{4097}, std::size_t{1000003}}) {
    void* block = pool.take(bytes);
    ASSERT_NE(block, nullptr) << bytes;
    EXPECT_TRUE(aligned(block)) << bytes;
    std::memset(block, 0xab, bytes);
    pool.give_back(block);
  }
  pool.give_back(nullptr);
}

TEST(MemoryPool, WastesAtMostAnEighth) {
  for (std::size_t bytes = 1024; bytes < (std::size_t{1} << 40); bytes = bytes * 17 / 16 + 1) {
    ASSERT_GE(MemoryPool::block_size(bytes), bytes);
    ASSERT_LE(MemoryPool::block_size(bytes) - bytes, bytes / 8) << bytes;
    ASSERT_EQ(MemoryPool::block_size(bytes) % 64, 0u) << bytes;
  }
}

TEST(MemoryPool, ReusesABlockOfTheSameClass) {
  MemoryPool pool(1 << 20);
  void* block = pool.take(100000);
  pool.give_back(block);
  EXPECT_EQ(pool.kept(), MemoryPool::block_size(100000));
  EXPECT_EQ(pool.take(MemoryPool::block_size(100000)), block);
  EXPECT_EQ(pool.kept(), 0u);
  pool.give_back(block);
}

TEST(MemoryPool, KeepsNoMoreThanItsLimit) {
  MemoryPool pool(1000);
  void* small = pool.take(512);
  void* other = pool.take(512);
  void* large = pool.take(100000);
  pool.give_back(large);
  EXPECT_EQ(pool.kept(), 0u);
  pool.give_back(small);
  pool.give_back(other);
  EXPECT_EQ(pool.kept(), 512u);
}

// A changed image size: blocks of the old one must not keep those of the new one out.
TEST(MemoryPool, MakesRoomForSizesThatAreAskedForNow) {
  MemoryPool pool(10000);
  for (int i = 0; i < 2; ++i) {
    void* first = pool.take(4096);
    void* second = pool.take(4096);
    pool.give_back(first);
    pool.give_back(second);
  }
  EXPECT_EQ(pool.kept(), 8192u);
  void* block = pool.take(6144);
  pool.give_back(block);
  EXPECT_EQ(pool.take(6144), block) << "the new size is kept, and the old one made room";
  EXPECT_EQ(pool.kept(), 0u);
  pool.give_back(block);
  EXPECT_LE(pool.kept(), 10000u);
}

TEST(MemoryPool, GivesUpSizesThatNobodyAsksForAnyMore) {
  MemoryPool pool(100000);
  pool.give_back(pool.take(65536));
  for (int i = 0; i < 1000; ++i) pool.give_back(pool.take(1024));
  EXPECT_EQ(pool.kept(), 1024u);
}

TEST(MemoryPool, CountsWhatIsInUse) {
  MemoryPool pool(1 << 20);
  void* first = pool.take(1000);
  void* second = pool.take(5000);
  EXPECT_EQ(pool.in_use(), MemoryPool::block_size(1000) + MemoryPool::block_size(5000));
  pool.give_back(first);
  pool.give_back(second);
  EXPECT_EQ(pool.in_use(), 0u);
  pool.give_back(pool.take(1000));
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(MemoryPool, DropsWhatItKept) {
  MemoryPool pool(1 << 20);
  pool.give_back(pool.take(1000));
  pool.give_back(pool.take(5000));
  EXPECT_GT(pool.kept(), 0u);
  pool.drop_all();
  EXPECT_EQ(pool.kept(), 0u);
  pool.give_back(pool.take(1000));
}

TEST(MemoryPool, SaysWhenTheSystemHasNone) {
  MemoryPool pool(0);
  EXPECT_EQ(pool.take(std::numeric_limits<std::size_t>::max() / 4), nullptr);
}

TEST(MemoryPool, GivesNoBlockTwice) {
  MemoryPool pool(1 << 22);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&pool, t] {
      std::mt19937 random(t);
      std::vector<std::pair<unsigned char*, std::size_t>> mine;
      for (int step = 0; step < 2000; ++step) {
        const std::size_t bytes = 1 + random() % 5000;
        auto* block = static_cast<unsigned char*>(pool.take(bytes));
        std::memset(block, static_cast<int>(t), bytes);
        mine.emplace_back(block, bytes);
        if (mine.size() > 8) {
          const std::size_t which = random() % mine.size();
          for (std::size_t i = 0; i < mine[which].second; ++i) ASSERT_EQ(mine[which].first[i], t);
          pool.give_back(mine[which].first);
          mine[which] = mine.back();
          mine.pop_back();
        }
      }
      for (const auto& [block, bytes] : mine) pool.give_back(block);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace osteon::plugin
