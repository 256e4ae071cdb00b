// SPDX-License-Identifier: Apache-2.0
// What one looks for by name is in one place: files of core, checks of the validator, and rooms on their map.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace fs = std::filesystem;
namespace {

const fs::path kRoot = OSTEON_SOURCE_DIR;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string room_of(const fs::path& file) { return fs::relative(file, kRoot / "core").begin()->string(); }

std::vector<fs::path> sources_below(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp") found.push_back(entry.path());
  return found;
}

TEST(Names, NoTwoRoomsOfCoreHaveFilesOfOneStem) {
  std::map<std::string, std::set<std::string>> rooms_by_stem;
  for (const fs::path& file : sources_below(kRoot / "core")) rooms_by_stem[file.stem().string()].insert(room_of(file));
  EXPECT_GT(rooms_by_stem.size(), 100u);
  for (const auto& [stem, rooms] : rooms_by_stem) {
    std::string list;
    for (const std::string& room : rooms) list += " core/" + room;
    EXPECT_EQ(rooms.size(), 1u) << "files called " << stem << " are in" << list;
  }
}

// A row of a table of checks, {"name", "promise", ...}. A promise that is split over lines cannot be looked for.
TEST(Names, APromiseOfTheValidatorLeadsToOneCheck) {
  static const std::regex kRow("\\{\\s*\"([a-z0-9]+(?:-[a-z0-9]+)*)\",\\s*\"((?:[^\"\\\\]|\\\\.)*)\"\\s*([,\"])");
  std::map<std::string, std::string> check_by_promise;
  std::map<std::pair<std::string, std::string>, std::string> file_by_check;
  for (const fs::path& file : sources_below(kRoot / "core/validate")) {
    const std::string text = text_of(file), name = fs::relative(file, kRoot).string();
    for (auto row = std::sregex_iterator(text.begin(), text.end(), kRow); row != std::sregex_iterator(); ++row) {
      const std::string check = (*row)[1], promise = (*row)[2];
      EXPECT_EQ((*row)[3], ",") << name << ": the promise of " << check << " is split";
      const auto [same, fresh] = check_by_promise.emplace(promise, name + ": " + check);
      EXPECT_TRUE(fresh) << same->second << " and " << name << ": " << check << " promise \"" << promise << '"';
      const auto [other, first] = file_by_check.emplace(std::pair(file.parent_path().filename().string(), check), name);
      EXPECT_TRUE(first) << check << " is in " << other->second << " and in " << name;
    }
  }
  EXPECT_GT(check_by_promise.size(), 150u);
}

TEST(Names, TheMapHasEveryRoomOfCoreAndNoOther) {
  const std::string map = text_of(kRoot / "docs/contributor/rooms.md");
  const std::size_t begin = map.find("## Inside `core/`"), end = map.find("\n## ", begin + 1);
  ASSERT_NE(begin, std::string::npos);
  std::set<std::string> there, listed;
  for (const auto& entry : fs::directory_iterator(kRoot / "core"))
    if (entry.is_directory()) there.insert(entry.path().filename().string());
  for (const auto& entry : fs::directory_iterator(kRoot / "core/validate"))
    if (entry.is_directory()) there.insert("validate/" + entry.path().filename().string());
  static const std::regex kFolder("`([a-z_/]+)/`");
  std::string row;
  for (std::istringstream rows(map.substr(begin, end - begin)); std::getline(rows, row);) {
    if (row.rfind("| `", 0) != 0) continue;
    const std::string first = row.substr(0, row.find(" | "));
    for (auto f = std::sregex_iterator(first.begin(), first.end(), kFolder); f != std::sregex_iterator(); ++f)
      listed.insert((*f)[1]);
  }
  EXPECT_EQ(listed, there);
}

}  // namespace
