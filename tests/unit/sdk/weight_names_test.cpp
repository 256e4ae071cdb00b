// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/weight_names.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

using Names = std::vector<std::string>;

std::optional<Names> renamed(const Rename& rule, const std::string& name) {
  return detail::rename({"toy", {rule}}, name);
}

TEST(Rename, PutsNumbersAndTextsInTheirPlaces) {
  EXPECT_EQ(renamed({"block#.#.mlp.fc1.*", {"stage.#.layer.#.dense1.*"}}, "block1.27.mlp.fc1.weight"),
            Names{"stage.1.layer.27.dense1.weight"});
  EXPECT_EQ(renamed({"head.*.bn.*", {"head.*.norm.*"}}, "head.psp.0.1.bn.running_mean"),
            Names{"head.psp.0.1.norm.running_mean"});
  EXPECT_EQ(renamed({"gamma", {"scale"}}, "gamma"), Names{"scale"});
  EXPECT_EQ(renamed({"*.#", {"*/#"}}, "a.1.b.22"), Names{"a.1.b/22"}) << "a text may hold what looks like the rest";
}

TEST(Rename, MatchesWholeNamesAlone) {
  for (const char* name : {"block.1.weight.more", "x.block.1.weight", "block..weight", "block.1x.weight",
                           "block.x.weight", "block.1.", "block.1", ""})
    EXPECT_EQ(renamed({"block.#.weight", {"x"}}, name), std::nullopt) << name;
  EXPECT_EQ(renamed({"norm.*", {"x.*"}}, "norm."), std::nullopt) << "a text is not empty";
  EXPECT_EQ(renamed({"norm*", {"x*"}}, "norm"), std::nullopt);
}

TEST(Rename, TakesTheFirstRuleThatMatches) {
  const WeightDialect dialect{"toy", {{"a.0.*", {"first.*"}}, {"a.#.*", {"second.#.*"}}}};
  EXPECT_EQ(detail::rename(dialect, "a.0.bias"), Names{"first.bias"});
  EXPECT_EQ(detail::rename(dialect, "a.01.bias"), Names{"second.01.bias"});
  EXPECT_EQ(detail::rename(dialect, "b.0.bias"), std::nullopt);
}

TEST(Rename, CannotPutInWhatItHasNotFound) { EXPECT_THROW(renamed({"a.*", {"#.*"}}, "a.b"), Error); }

// The extension as a host calls it.
struct Toy {
  static std::vector<WeightDialect> weight_names() {
    return {{"nothing", {}}, {"stacked", {{"kv.*", {"key.*", "value.*"}}, {"fc.*", {}}, {"scale", {"gamma"}}}}};
  }
};

struct Part {
  std::uint64_t entry;
  std::int64_t first_row, n_rows;
  std::string target;
  bool operator==(const Part& o) const {
    return entry == o.entry && first_row == o.first_row && n_rows == o.n_rows && target == o.target;
  }
};

std::vector<Part> parts_of(std::uint64_t dialect, const std::vector<osteon_weight_entry>& entries) {
  std::vector<const osteon_weight_entry*> pointers;
  for (const osteon_weight_entry& entry : entries) pointers.push_back(&entry);
  std::vector<Part> parts;
  const auto take = [](void* user, const osteon_weight_part* part) {
    EXPECT_EQ(part->struct_size, sizeof(osteon_weight_part));
    EXPECT_EQ(part->flags, 0u);
    static_cast<std::vector<Part>*>(user)->push_back(
        {part->entry, part->first_row, part->n_rows, part->target != nullptr ? part->target : "(of no use)"});
  };
  check([&](osteon_error* error) {
    return detail::WeightNamesOf<Toy>::get()->translate(nullptr, dialect, entries.size(), pointers.data(), take, &parts,
                                                        error);
  });
  return parts;
}

osteon_weight_entry entry(std::int32_t ndim, const char* name, const std::int64_t* shape) {
  auto made = sized<osteon_weight_entry>();
  made.ndim = ndim;
  made.name = name;
  made.shape = shape;
  return made;
}

TEST(WeightNames, SplitRowsAndPutAside) {
  const osteon_weight_names& names = *detail::WeightNamesOf<Toy>::get();
  ASSERT_EQ(names.n_dialects, 2u);
  EXPECT_STREQ(names.dialects[1], "stacked");
  const std::int64_t kv[] = {6, 3}, odd[] = {5, 3}, one[] = {7};
  EXPECT_EQ(parts_of(1, {entry(2, "kv.weight", kv), entry(1, "other", one), entry(2, "kv.odd", odd),
                         entry(1, "fc.bias", one), entry(0, "scale", nullptr)}),
            (std::vector<Part>{
                {0, 0, 3, "key.weight"}, {0, 3, 3, "value.weight"}, {3, 0, 7, "(of no use)"}, {4, 0, 1, "gamma"}}));
  EXPECT_TRUE(parts_of(0, {entry(2, "kv.weight", kv)}).empty());
}

TEST(WeightNames, RefuseADialectThatThereIsNot) {
  try {
    parts_of(2, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
  }
}

}  // namespace
}  // namespace osteon::sdk
