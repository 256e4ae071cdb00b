// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf.hpp"

#include <algorithm>
#include <random>

#include <nlohmann/json.hpp>

#include <osteon/abi/version.h>

#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

using test::content_of;
using test::expect_refusal;
using test::fixture;
using test::TemporaryFolder;

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

TEST(ReadElf, FindsWhatALibrarySaysOfItself) {
  const ElfFacts facts = read_elf(fixture("good"));
  EXPECT_TRUE(facts.has_entry);
  EXPECT_TRUE(contains(facts.needed, "libc.so.6"));
  EXPECT_TRUE(facts.run_paths.empty());
  ASSERT_TRUE(facts.note);
  const nlohmann::json note = nlohmann::json::parse(*facts.note);
  EXPECT_EQ(note.at("abi"), (nlohmann::json{OSTEON_ABI_MAJOR, OSTEON_ABI_MINOR}));
  EXPECT_EQ(note.at("components").at(0).at("name"), "constant");
  EXPECT_NO_THROW(refuse_by_facts(facts));
}

TEST(ReadElf, FindsWhatALibraryNeedsAndWhereItLooks) {
  EXPECT_TRUE(contains(read_elf(fixture("absent_dependency")).needed, "libosteon_fixture_absent.so"));
  EXPECT_EQ(read_elf(fixture("origin_run_path")).run_paths, std::vector<std::string>{"$ORIGIN/private"});
  EXPECT_EQ(read_elf(fixture("empty_run_path")).run_paths, (std::vector<std::string>{"/usr/lib", "", "/opt"}));
  EXPECT_TRUE(contains(read_elf(fixture("needs_by_path")).needed, "./libosteon_fixture_here.so"));
  EXPECT_FALSE(read_elf(fixture("no_entry")).has_entry);
  EXPECT_FALSE(read_elf(fixture("no_note")).note);
}

TEST(ReadElf, RefusesWhatIsNoLibrary) {
  const TemporaryFolder folder;
  expect_refusal(ExitCode::kPlugin, {"not an ELF file"},
                 [&] { read_elf(folder.write("text.so", "I am no library.\n")); });
  expect_refusal(ExitCode::kPlugin, {"not an ELF file"}, [&] { read_elf(folder.write("empty.so", "")); });
  expect_refusal(ExitCode::kPlugin, {"no shared library"}, [&] { read_elf(folder.path()); });
  expect_refusal(ExitCode::kPlugin, {"cannot be opened"}, [&] { read_elf(folder / "absent.so"); });
}

TEST(ReadElf, RefusesALibraryForAnotherProcessor) {
  const TemporaryFolder folder;
  std::string bytes = content_of(fixture("good"));
  bytes[18] = 0x28;  // e_machine: 40 is 32-bit ARM
  bytes[19] = 0;
  expect_refusal(ExitCode::kPlugin, {"another processor"}, [&] { read_elf(folder.write("arm.so", bytes)); });
}

TEST(ReadElf, RefusesALibraryOfWhichThereIsOnlyAPart) {
  const TemporaryFolder folder;
  const std::string whole = content_of(fixture("good"));
  for (std::size_t size = 0; size < whole.size(); size += 97)
    EXPECT_THROW(read_elf(folder.write("part.so", whole.substr(0, size))), Error)
        << size << " of " << whole.size() << " bytes";
}

TEST(ReadElf, SurvivesDamage) {
  const TemporaryFolder folder;
  const std::string whole = content_of(fixture("good"));
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bytes = whole;
    // Where headers lie: damage elsewhere is nothing that this reader looks at.
    for (int flips = 0; flips < 8; ++flips) {
      const std::size_t span = std::min<std::size_t>(bytes.size(), 2048);
      const std::size_t at = random() % span;
      bytes[random() % 2 == 0 ? at : bytes.size() - 1 - at] = static_cast<char>(random());
    }
    try {
      refuse_by_facts(read_elf(folder.write("damaged.so", bytes)));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kPlugin);
    }
  }
}

struct Refusal {
  const char* fixture;
  std::vector<std::string> parts;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.fixture; }

class RefusedByFacts : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedByFacts, WithItsReason) {
  expect_refusal(ExitCode::kPlugin, GetParam().parts, [] { refuse_by_facts(read_elf(fixture(GetParam().fixture))); });
}
INSTANTIATE_TEST_SUITE_P(
    Each, RefusedByFacts,
    testing::Values(Refusal{"no_entry", {"no entry", "osteon_get_plugin"}},
                    Refusal{"no_note", {"no note", "osteon_add_plugin"}}, Refusal{"damaged_note", {"note is damaged"}},
                    Refusal{"other_abi", {"ABI 99.7", "this host takes 0.2", "build the plugin again"}},
                    Refusal{"other_libtorch", {"LibTorch 99.1.2", "the engine has"}},
                    Refusal{"origin_run_path", {"$ORIGIN/private", "statically"}},
                    Refusal{"relative_run_path", {"'private'", "absolute"}},
                    Refusal{"empty_run_path", {"''", "absolute"}},
                    Refusal{"needs_by_path", {"./libosteon_fixture_here.so", "soname"}},
                    Refusal{"bundled_gomp", {"libgomp-a34b3233.so.1"}}),
    [](const auto& test) { return std::string(test.param.fixture); });

TEST(RefuseByFacts, KnowsTheSystemsOwnLibrariesFromPrivateCopies) {
  ElfFacts facts = read_elf(fixture("good"));
  facts.needed = {"libgomp.so.1", "libopenblas.so.0",      "libtorch_cpu.so",
                  "libc10.so",    "libopencv_core.so.406", "libstdc++.so.6"};
  EXPECT_NO_THROW(refuse_by_facts(facts));
  for (const std::string copy :
       {"libopencv_core-1b2c3d4e.so.4.6.0", "libtorch_cpu-aabbccdd.so", "libiomp5-0123abcd.so"}) {
    facts.needed = {"libc.so.6", copy};
    expect_refusal(ExitCode::kPlugin, {copy}, [&] { refuse_by_facts(facts); });
  }
}

}  // namespace
}  // namespace osteon::plugin
