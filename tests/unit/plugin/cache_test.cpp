// SPDX-License-Identifier: Apache-2.0
#include "plugin/cache.hpp"

#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

ScanResult refusal(const std::string& why) {
  ScanResult result;
  result.refusal = why;
  return result;
}

class CacheTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  fs::path file_ = folder_ / "cache/plugins.json";
  fs::path library_ = folder_.write("some.so", "some bytes");
};

TEST_F(CacheTest, RemembersAcrossProcesses) {
  {
    DescriptorCache cache(file_);
    EXPECT_EQ(cache.warning(), "");
    EXPECT_FALSE(cache.find(library_, identity_of(library_)));
    cache.put(library_, identity_of(library_), refusal("because"));
    cache.save();
  }
  const DescriptorCache cache(file_);
  const auto found = cache.find(library_, identity_of(library_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->refusal, "because");
  EXPECT_FALSE(cache.find(folder_ / "other.so", identity_of(library_)));
}

TEST_F(CacheTest, ForgetsALibraryThatChanged) {
  const std::string before = identity_of(library_);
  EXPECT_EQ(identity_of(library_), before);
  DescriptorCache cache(file_);
  cache.put(library_, before, refusal("because"));

  folder_.write("some.so", "some more bytes");
  EXPECT_NE(identity_of(library_), before) << "another size";
  EXPECT_FALSE(cache.find(library_, identity_of(library_)));

  const std::string longer = identity_of(library_);
  fs::last_write_time(library_, fs::last_write_time(library_) + std::chrono::nanoseconds(1));
  EXPECT_NE(identity_of(library_), longer) << "another time";

  const std::string touched = identity_of(library_);
  const auto time = fs::last_write_time(library_);
  const fs::path twin = folder_.write("twin.so", "some more bytes");
  fs::last_write_time(twin, time);
  fs::rename(twin, library_);
  EXPECT_NE(identity_of(library_), touched) << "another file of the same size and time";
}

TEST_F(CacheTest, HasNoIdentityForWhatIsNotThere) { EXPECT_EQ(identity_of(folder_ / "absent.so"), ""); }

TEST_F(CacheTest, StartsAnewWhenItsFileIsDamaged) {
  fs::create_directories(file_.parent_path());
  for (const std::string damage :
       {"", "{", "[]", "null", "{\"format\": 1}", "{\"format\": 1, \"libraries\": {\"/x.so\": 5}}", "\xff\xfe",
        "{\"format\": \"one\"}"}) {
    folder_.write("cache/plugins.json", damage);
    DescriptorCache cache(file_);
    EXPECT_FALSE(cache.find(library_, identity_of(library_))) << damage;
    cache.put(library_, identity_of(library_), refusal("because"));
    cache.save();
    EXPECT_TRUE(DescriptorCache(file_).find(library_, identity_of(library_))) << damage;
  }
  folder_.write("cache/plugins.json", "{");
  EXPECT_NE(DescriptorCache(file_).warning().find(file_.string()), std::string::npos);
}

TEST_F(CacheTest, LooksAgainWhenOneEntryIsDamaged) {
  DescriptorCache cache(file_);
  cache.put(library_, identity_of(library_), refusal("because"));
  cache.save();
  std::string text = test::content_of(file_);
  const std::size_t at = text.find("\"refusal\"");
  ASSERT_NE(at, std::string::npos);
  folder_.write("cache/plugins.json", text.replace(at, 9, "\"re-used\""));
  EXPECT_FALSE(DescriptorCache(file_).find(library_, identity_of(library_)));
}

TEST_F(CacheTest, DropsLibrariesThatAreGone) {
  DescriptorCache cache(file_);
  cache.put(library_, identity_of(library_), refusal("because"));
  cache.put(folder_ / "gone.so", "identity", refusal("because"));
  cache.save();
  EXPECT_EQ(test::content_of(file_).find("gone.so"), std::string::npos);
}

TEST_F(CacheTest, KeepsTextsThatAreNoUtf8FromEndingTheProgram) {
  DescriptorCache cache(file_);
  cache.put(library_, identity_of(library_), refusal("caf\xe9 is closed"));
  cache.put(folder_.write("\xff.so", ""), "identity", refusal("because"));
  EXPECT_NO_THROW(cache.save());
  const auto found = DescriptorCache(file_).find(library_, identity_of(library_));
  ASSERT_TRUE(found);
  test::expect_parts(found->refusal, {"caf", " is closed"});
}

TEST_F(CacheTest, WarnsWhenItCannotBeWritten) {
  folder_.write("cache", "a file where a folder should be");
  DescriptorCache cache(file_);
  cache.put(library_, identity_of(library_), refusal("because"));
  EXPECT_NO_THROW(cache.save());
  EXPECT_NE(cache.warning(), "");
}

TEST_F(CacheTest, LeavesItsFileAloneWhenNothingChanged) {
  DescriptorCache first(file_);
  first.put(library_, identity_of(library_), refusal("because"));
  first.save();
  const auto time = fs::last_write_time(file_);
  const std::string identity = identity_of(file_);
  DescriptorCache second(file_);
  (void)second.find(library_, identity_of(library_));
  second.save();
  EXPECT_EQ(fs::last_write_time(file_), time);
  EXPECT_EQ(identity_of(file_), identity);
}

}  // namespace
}  // namespace osteon::plugin
