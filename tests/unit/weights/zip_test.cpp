// SPDX-License-Identifier: Apache-2.0
#include "weights/zip.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "unit/weights/refusal.hpp"
#include "unit/weights/torch_bytes.hpp"

namespace osteon::test {
namespace {

using weights::has_crc32;
using weights::ZipArchive;
using weights::ZipEntry;

void expect_zip_refused(const std::string& file, const std::string& part) {
  expect_refused([&] { ZipArchive(file, "a.zip"); }, part);
}

/// The content of an entry, which has to lie in the file itself.
std::string content_in(const std::string& file, const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.find(name);
  if (entry == nullptr) return "(there is no " + name + ")";
  const std::string_view content = archive.content(*entry);
  EXPECT_EQ(content.data(), file.data() + entry->offset);
  return std::string(content);
}

TEST(Zip, FindsEntriesWhereTheyLie) {
  const std::string file = zip_of({{"a/data.pkl", "first"}, {"a/data/0", std::string(100, 'x'), 0, 8}, {"a/none", ""}});
  const ZipArchive archive(file, "a.zip");
  ASSERT_EQ(archive.entries().size(), 3u);
  EXPECT_EQ(content_in(file, archive, "a/data.pkl"), "first");
  EXPECT_EQ(content_in(file, archive, "a/data/0"), std::string(100, 'x'));
  EXPECT_EQ(content_in(file, archive, "a/none"), "");
  EXPECT_EQ(archive.find("a/data"), nullptr);
}

TEST(Zip, ReadsAnArchiveWithoutEntriesAndOneWithAComment) {
  EXPECT_TRUE(ZipArchive(zip_of({}), "a.zip").entries().empty());
  ZipEnds ends;
  ends.comment = std::string("PK\5\6", 4) + std::string(60000, 'c');  // looks like another end
  const std::string file = zip_of({{"a", "b"}}, ends);
  EXPECT_EQ(content_in(file, ZipArchive(file, "a.zip"), "a"), "b");
}

TEST(Zip, PassesOverWhatFollows) {
  for (const bool zip64 : {false, true}) {
    ZipEnds ends;
    ends.zip64 = zip64;
    ends.comment = "a comment";
    const std::string archive = zip_of({{"a", "b"}}, ends);
    for (const std::string& padding :
         {std::string("\n"), std::string(512, '\0'), std::string(1 << 20, '\0'), std::string("\r\n--boundary--"),
          std::string("PK\5\6 and 16 more bytes"), std::string(60000, 'x')}) {
      const std::string file = archive + padding;
      EXPECT_EQ(content_in(file, ZipArchive(file, "a.zip"), "a"), "b") << padding.size();
    }
    expect_zip_refused(archive + std::string(1 << 17, 'x'), "ends with its directory");
  }
}

TEST(Zip, ReadsZip64) {
  ZipEnds ends;
  ends.zip64 = true;
  ZipMember large{"a/data/0", "0123456789"};
  large.zip64 = true;
  const std::string file = zip_of({{"a/data.pkl", "p"}, large}, ends);
  const ZipArchive archive(file, "a.zip");
  EXPECT_EQ(content_in(file, archive, "a/data.pkl"), "p");
  EXPECT_EQ(content_in(file, archive, "a/data/0"), "0123456789");
}

TEST(Zip, ChecksumsAreComparedWhereThereIsOne) {
  EXPECT_TRUE(has_crc32("123456789", 0xcbf43926));  // the check value of CRC-32/ISO-HDLC
  EXPECT_FALSE(has_crc32("123456780", 0xcbf43926));
  EXPECT_TRUE(has_crc32("whatever", 0));
}

TEST(Zip, RefusesCompressedAndEncryptedEntriesWhenTheyAreWanted) {
  ZipMember packed{"a/data/0", "packed", 8};
  packed.size = 6;
  const std::string file = zip_of({{"a/data.pkl", "p"}, packed, {"a/secret", "s", 0, 1}});
  const ZipArchive archive(file, "a.zip");
  EXPECT_EQ(content_in(file, archive, "a/data.pkl"), "p");
  for (const char* name : {"a/data/0", "a/secret"})
    expect_refused([&] { archive.content(*archive.find(name)); }, "compressed or encrypted");
}

TEST(Zip, RefusesEveryTruncation) {
  for (const bool zip64 : {false, true}) {
    ZipEnds ends;
    ends.zip64 = zip64;
    const std::string file = zip_of({{"a/data.pkl", "first"}, {"a/data/0", "second"}}, ends);
    for (std::size_t size = 0; size < file.size(); ++size)
      expect_refused([&] { ZipArchive(file.substr(0, size), "a.zip"); }, "");
  }
}

TEST(Zip, RefusesEntriesOutsideOfTheFile) {
  const auto one = [](auto&& change) {
    ZipMember member{"a", "0123456789"};
    change(member);
    return zip_of({member});
  };
  expect_zip_refused(one([](ZipMember& m) { m.size = 11; }), "only 10 follow");
  expect_zip_refused(one([](ZipMember& m) { m.size = 0xfffffffe; }), "has 4294967294 bytes");
  expect_zip_refused(one([](ZipMember& m) { m.offset = 1; }), "the header of zip entry 'a' was expected");
  expect_zip_refused(one([](ZipMember& m) { m.offset = 0xfffffff0; }), "behind the directory");
  for (const std::uint64_t absurd : {std::uint64_t{1} << 40, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    expect_zip_refused(one([&](ZipMember& m) { m.zip64 = true, m.size = absurd; }), "");
    expect_zip_refused(one([&](ZipMember& m) { m.zip64 = true, m.offset = absurd; }), "behind the directory");
  }
}

TEST(Zip, RefusesEntriesOverEachOther) {
  // The second entry lies inside of the first one's content, as in archives that unpack to far more than they are.
  const std::string inner = zip_of({{"b", "bb"}});
  ZipMember outer{"a", inner.substr(0, inner.find("PK\1\2"))}, other{"b", "bb"};
  other.offset = 30 + 1 + 7;
  expect_zip_refused(zip_of({outer, other}), "'a' and 'b' lie over each other");
  ZipMember again{"c", "bb"};
  again.local_name.emplace("a");
  again.offset = 0;
  expect_zip_refused(zip_of({{"a", "xx"}, again}), "disagree");
}

TEST(Zip, RefusesTheSameNameTwice) { expect_zip_refused(zip_of({{"a", "1"}, {"a", "2"}}), "two entries named 'a'"); }

TEST(Zip, RefusesDirectoriesThatDisagree) {
  const auto with = [](auto&& change, bool zip64) {
    ZipEnds ends;
    ends.zip64 = zip64;
    change(ends);
    return zip_of({{"a", "1"}, {"b", "2"}}, ends);
  };
  for (const bool zip64 : {false, true}) {
    for (const std::uint64_t count : {0u, 1u, 3u})
      expect_zip_refused(with([&](ZipEnds& e) { e.count = count; }, zip64), "another number of entries than the");
    expect_zip_refused(with([](ZipEnds& e) { e.size = 0x7fffffff; }, zip64), "beyond where it ends");
    expect_zip_refused(with([](ZipEnds& e) { e.offset = 0x7fffffff; }, zip64), "beyond where it ends");
    expect_zip_refused(with([](ZipEnds& e) { e.size = 20; }, zip64), "cut short");
    expect_zip_refused(with([](ZipEnds& e) { e.offset = 1; }, zip64), "an entry of the zip directory was expected");
  }
  expect_zip_refused(with([](ZipEnds& e) { e.count = 1'000'001; }, true), "far beyond any");
  expect_zip_refused(with([](ZipEnds& e) { e.offset = ~std::uint64_t{0}; }, true), "beyond where it ends");
  expect_zip_refused(with([](ZipEnds& e) { e.disk = 1; }, false), "several parts");
  expect_zip_refused(with([](ZipEnds& e) { e.disk = 1; }, true), "several parts");
  std::string listed_elsewhere = with([](ZipEnds&) {}, false);
  listed_elsewhere[listed_elsewhere.find("PK\1\2") + 34] = 1;
  expect_zip_refused(listed_elsewhere, "several parts");
  std::string no_room = with([](ZipEnds&) {}, true);
  no_room[no_room.find("PK\6\7") + 8] = '\xff';
  expect_zip_refused(no_room, "where it has no room");
  std::string twins = with([](ZipEnds&) {}, true);
  twins[twins.size() - 22 + 10] = 7, twins[twins.size() - 22 + 11] = 0;  // the count of the end that is not zip64
  expect_zip_refused(twins, "the two ends of the zip archive disagree");
}

TEST(Zip, RefusesSizesThatDisagree) {
  std::string file = zip_of({{"a", "0123456789"}});
  file[file.find("PK\1\2") + 20] = 9;  // of the compressed bytes alone
  expect_zip_refused(file, "is not compressed, yet has 9 bytes in the file and 10 outside it");
}

TEST(Zip, NamesInMessagesAreHarmless) {
  expect_zip_refused(zip_of({{"\x1b[2J", "1"}, {"\x1b[2J", "2"}}), "named '?[2J'");
  const std::string longest(5000, 'n');
  expect_zip_refused(zip_of({{longest, "1"}, {longest, "2"}}), std::string(120, 'n') + "...'");
}

}  // namespace
}  // namespace osteon::test
