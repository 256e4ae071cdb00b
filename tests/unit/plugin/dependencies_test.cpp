// SPDX-License-Identifier: Apache-2.0
#include "plugin/dependencies.hpp"

#include <algorithm>

#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::fixture;

bool has(const std::vector<fs::path>& files, const std::string& name) {
  return std::any_of(files.begin(), files.end(), [&](const fs::path& file) { return file.filename() == name; });
}

TEST(LinkerAnswer, NamesFilesAndNothingElse) {
  const auto files = files_in_linker_answer(
      "\tlinux-vdso.so.1 (0x00007ffd1d5f2000)\n"
      "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f0d1e000000)\n"
      "\tlibabsent.so => not found\n"
      "\tlibodd.so => /opt/with space (1)/libodd.so (0x00007f0d1e200000)\n"
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0d1e400000)\n");
  EXPECT_EQ(files, (std::vector<fs::path>{"/lib/x86_64-linux-gnu/libm.so.6", "/opt/with space (1)/libodd.so",
                                          "/lib64/ld-linux-x86-64.so.2"}));
  EXPECT_TRUE(files_in_linker_answer("\tstatically linked\n").empty());
  EXPECT_TRUE(files_in_linker_answer("").empty());
}

TEST(Dependencies, AreFoundWithoutRunningAnything) {
  const auto files = dependencies_of(fixture("crash_at_load"));
  EXPECT_TRUE(has(files, "libc.so.6"));
  for (const fs::path& file : files) EXPECT_TRUE(fs::exists(file)) << file;
}

TEST(Dependencies, OfAnotherLibraryAreFoundAlongThePathsOfTheEnvironment) {
  EXPECT_FALSE(has(dependencies_of(fixture("absent_dependency")), "libosteon_fixture_absent.so"));
  ::setenv("LD_LIBRARY_PATH", (fs::path(OSTEON_FIXTURE_PLUGINS) / "../out_of_sight").c_str(), 1);
  EXPECT_TRUE(has(dependencies_of(fixture("absent_dependency")), "libosteon_fixture_absent.so"));
  ::unsetenv("LD_LIBRARY_PATH");
}

TEST(Dependencies, OfWhatIsNoLibraryAreNone) {
  const test::TemporaryFolder folder;
  EXPECT_TRUE(dependencies_of(folder.write("text.so", "I am no library.\n")).empty());
}

}  // namespace
}  // namespace osteon::plugin
