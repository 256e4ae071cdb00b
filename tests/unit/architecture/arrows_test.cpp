// SPDX-License-Identifier: Apache-2.0
// The three arrows that never appear (core -> plugins, plugins -> core, sdk -> core), and the order of rooms inside
// core.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fs = std::filesystem;
namespace {

struct Include {
  fs::path file;
  int line;
  std::string target;
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".hpp", ".c", ".cpp"};
  return kExtensions.count(path.extension().string()) > 0;
}

bool is_test(const fs::path& path) { return path.stem().string().find("_test") != std::string::npos; }

std::vector<Include> includes_below(const std::string& folder) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  std::vector<Include> found;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(OSTEON_SOURCE_DIR) / folder)) {
    if (!is_source(entry.path())) continue;
    std::ifstream file(entry.path());
    std::string text;
    for (int line = 1; std::getline(file, text); ++line) {
      std::smatch match;
      if (std::regex_search(text, match, kInclude)) found.push_back({entry.path(), line, match[1]});
    }
  }
  return found;
}

std::string where(const Include& include) {
  return fs::relative(include.file, OSTEON_SOURCE_DIR).string() + ":" + std::to_string(include.line) + " includes " +
         include.target;
}

const std::vector<std::string>& rooms() {
  static const std::vector<std::string> kRooms = [] {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(fs::path(OSTEON_SOURCE_DIR) / "core"))
      if (entry.is_directory()) found.push_back(entry.path().filename().string());
    return found;
  }();
  return kRooms;
}

std::string room_of_target(const std::string& target) {
  const std::string first = target.substr(0, target.find('/'));
  return std::find(rooms().begin(), rooms().end(), first) != rooms().end() ? first : "";
}

TEST(Arrows, SdkKnowsNothingOfCore) {
  for (const Include& include : includes_below("sdk")) EXPECT_EQ(room_of_target(include.target), "") << where(include);
}

TEST(Arrows, PluginsKnowNothingOfCore) {
  for (const Include& include : includes_below("plugins")) {
    if (is_test(include.file)) continue;  // a plugin's test may drive it through the host
    EXPECT_EQ(room_of_target(include.target), "") << where(include);
  }
}

TEST(Arrows, PluginsKnowNoOtherPlugin) {
  for (const Include& include : includes_below("plugins"))
    EXPECT_EQ(include.target.find("../"), std::string::npos) << where(include);
}

TEST(Arrows, CoreIncludesNoPlugin) {
  for (const Include& include : includes_below("core"))
    EXPECT_EQ(include.target.find("plugins/"), std::string::npos) << where(include);
}

TEST(Arrows, CoreNamesNoPlugin) {
  std::set<std::string> names;
  for (const auto& kind : fs::directory_iterator(fs::path(OSTEON_SOURCE_DIR) / "plugins"))
    if (kind.is_directory())
      for (const auto& plugin : fs::directory_iterator(kind))
        if (fs::exists(plugin.path() / "CMakeLists.txt")) names.insert("\"" + plugin.path().filename().string() + "\"");
  // Metrics, a kind of warp, a key of recipes and what a library holds are called that too, and scripts rely on it.
  for (const char* other : {"\"dice\"", "\"iou\"", "\"affine\"", "\"threshold\"", "\"components\""}) names.erase(other);
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(OSTEON_SOURCE_DIR) / "core")) {
    if (!is_source(entry.path())) continue;
    std::ifstream file(entry.path());
    std::string text;
    for (int line = 1; std::getline(file, text); ++line)
      for (const std::string& name : names)
        EXPECT_EQ(text.find(name), std::string::npos)
            << fs::relative(entry.path(), OSTEON_SOURCE_DIR).string() << ":" << line << " names the plugin " << name;
  }
}

TEST(Arrows, OnlyTheRoomsThatCallPluginsAndCheckThemIncludeTheAbi) {
  for (const Include& include : includes_below("core")) {
    if (include.target.rfind("osteon/abi/", 0) != 0) continue;
    const std::string file = include.file.string();
    EXPECT_TRUE(file.find("/core/plugin/") != std::string::npos || file.find("/core/validate/") != std::string::npos)
        << where(include);
  }
}

TEST(Arrows, TheProgramNeedsNeitherLibTorchNorOpenCV) {
  for (const std::string room : {"base", "plugin", "recipe", "cli"})
    for (const Include& include : includes_below("core/" + room))
      EXPECT_TRUE(include.target.rfind("torch/", 0) != 0 && include.target.rfind("ATen/", 0) != 0 &&
                  include.target.rfind("opencv2/", 0) != 0)
          << where(include);
}

// A room uses only rooms before it in the data's way.
TEST(Arrows, RoomsUseOnlyRoomsBeforeThem) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {}},
      {"plugin", {"base"}},
      {"recipe", {"base", "plugin"}},
      {"data", {"base", "plugin", "recipe"}},
      {"weights", {"base", "plugin"}},
      {"run", {"base", "plugin", "recipe", "weights"}},
      {"metrics", {"base", "data"}},
      {"predict", {"base", "plugin", "recipe", "data", "weights", "run"}},
      {"train", {"base", "plugin", "recipe", "data", "weights", "run", "metrics", "predict", "report"}},
      {"report", {"base"}},
      {"exports", {"base", "data"}},
      {"engine",
       {"base", "plugin", "recipe", "data", "weights", "run", "metrics", "predict", "train", "report", "exports"}},
      {"validate", {"base", "plugin", "recipe", "predict", "engine"}},
      {"cli", {"base", "plugin", "recipe", "engine", "validate"}},
  };
  for (const std::string& room : rooms()) EXPECT_EQ(allowed.count(room), 1u) << "core/" << room << " has no rule";
  for (const auto& [room, others] : allowed)
    for (const Include& include : includes_below("core/" + room)) {
      const std::string target = room_of_target(include.target);
      if (target.empty() || target == room) continue;
      EXPECT_TRUE(others.count(target)) << where(include) << ", but " << room << " may not use " << target;
    }
}

}  // namespace
