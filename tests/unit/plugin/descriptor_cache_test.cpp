// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor_cache.hpp"

#include <osteon/abi/version.h>

#include "base/host_library.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

KnownLibrary refusal(const std::string& why) {
  KnownLibrary known{"digest", ScanResult()};
  known.scan->refusal = why;
  return known;
}

bool knows(const DescriptorCache& cache, const fs::path& library, const std::string& identity) {
  return cache.find(library, identity).scan.has_value();
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
    EXPECT_FALSE(knows(cache, library_, identity_of(library_)));
    cache.put(library_, identity_of(library_), refusal("because"));
    cache.save();
  }
  const DescriptorCache cache(file_);
  const KnownLibrary found = cache.find(library_, identity_of(library_));
  ASSERT_TRUE(found.scan);
  EXPECT_EQ(found.scan->refusal, "because");
  EXPECT_EQ(found.sha256, "digest");
  EXPECT_FALSE(knows(cache, folder_ / "other.so", identity_of(library_)));
  EXPECT_EQ(cache.find(folder_ / "other.so", identity_of(library_)).sha256, "");
}

TEST_F(CacheTest, ForgetsALibraryThatChanged) {
  const std::string before = identity_of(library_);
  EXPECT_EQ(identity_of(library_), before);
  DescriptorCache cache(file_);
  cache.put(library_, before, refusal("because"));

  folder_.write("some.so", "some more bytes");
  EXPECT_NE(identity_of(library_), before) << "another size";
  EXPECT_FALSE(knows(cache, library_, identity_of(library_)));

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

TEST_F(CacheTest, HasNoIdentityForWhatIsNotThere) {
  EXPECT_EQ(identity_of(folder_ / "absent.so"), "");
  DescriptorCache cache(file_);
  cache.put(folder_ / "absent.so", "", refusal("because"));
  EXPECT_FALSE(knows(cache, folder_ / "absent.so", ""));
}

TEST_F(CacheTest, KnowsOneHostFromAnother) {
  // By its ABI, its LibTorch and its own file, which a rebuilt host changes.
  const std::string own = file_identity(library_), identity = identity_of(library_);
  ASSERT_EQ(identity.rfind(own + "@", 0), 0u) << identity;
  test::expect_parts(identity.substr(own.size()), {std::to_string(OSTEON_ABI_VERSION), file_identity(host_library())});
}

TEST_F(CacheTest, ForgetsAScanWhenWhatTheLibraryNeedsChanged) {
  const fs::path needed = folder_.write("needed.so", "bytes"), other = folder_.write("other.so", "");
  KnownLibrary known = refusal("because");
  known.scan->dependencies = {{needed, file_identity(needed)}, {"/absent.so", ""}};
  {
    DescriptorCache cache(file_);
    cache.put(library_, identity_of(library_), known);
    cache.put(other, identity_of(other), refusal("needs nothing"));
    cache.save();
  }
  const KnownLibrary found = DescriptorCache(file_).find(library_, identity_of(library_));
  ASSERT_TRUE(found.scan);
  EXPECT_EQ(found.scan->dependencies, known.scan->dependencies);

  folder_.write("needed.so", "other bytes");
  const DescriptorCache cache(file_);
  EXPECT_FALSE(knows(cache, library_, identity_of(library_)));
  EXPECT_EQ(cache.find(library_, identity_of(library_)).sha256, "digest") << "the file itself is as it was";
  EXPECT_TRUE(knows(cache, other, identity_of(other)));
}

TEST_F(CacheTest, KeepsTheDigestAloneOfAScanThatDoesNotStick) {
  KnownLibrary known = refusal("out of memory");
  known.scan->sticks = false;
  DescriptorCache cache(file_);
  cache.put(library_, identity_of(library_), known);
  cache.save();
  const KnownLibrary found = DescriptorCache(file_).find(library_, identity_of(library_));
  EXPECT_FALSE(found.scan);
  EXPECT_EQ(found.sha256, "digest");
}

TEST_F(CacheTest, StartsAnewWhenItsFileIsDamaged) {
  fs::create_directories(file_.parent_path());
  for (const std::string damage :
       {"", "{", "[]", "null", "{\"format\": 1}", "{\"format\": 3, \"files\": [], \"libraries\": {\"/x.so\": 5}}",
        "{\"format\": 3, \"files\": [], \"libraries\": {\"/x.so\": {\"identity\": \"\", \"sha256\": \"\", \"scan\": "
        "null, \"needs\": "
        "[7]}}}",
        "\xff\xfe", "{\"format\": \"one\"}"}) {
    folder_.write("cache/plugins.json", damage);
    DescriptorCache cache(file_);
    EXPECT_FALSE(knows(cache, library_, identity_of(library_))) << damage;
    cache.put(library_, identity_of(library_), refusal("because"));
    cache.save();
    EXPECT_TRUE(knows(DescriptorCache(file_), library_, identity_of(library_))) << damage;
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
  EXPECT_FALSE(knows(DescriptorCache(file_), library_, identity_of(library_)));
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
  const KnownLibrary found = DescriptorCache(file_).find(library_, identity_of(library_));
  ASSERT_TRUE(found.scan);
  test::expect_parts(found.scan->refusal, {"caf", " is closed"});
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
