// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/known.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

using ::testing::HasSubstr;

std::string refusal(const osteon_band* band, osteon_status status, std::uint32_t flags = 0) {
  try {
    known(band, "a band", flags);
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), status);
    return e.what();
  }
  return "";
}

TEST(Known, ReadsNoFurtherThanTheSenderKnows) {
  // Of minimum length, at the very end of a block: what lies behind is another's.
  struct {
    osteon_band band;
    std::uint64_t another = 0x5a5a5a5a5a5a5a5a;
  } memory{};
  memory.band.struct_size = kMinimumSize<osteon_band>;
  memory.band.width = 7;
  const osteon_band copy = known(&memory.band, "a band");
  EXPECT_EQ(copy.width, 7);
  EXPECT_EQ(copy.struct_size, sizeof copy);
}

TEST(Known, TakesLongerStructs) {
  struct {
    osteon_band band;
    std::uint64_t newer = 0x5a5a5a5a5a5a5a5a;
  } memory{};
  memory.band.struct_size = sizeof memory;
  memory.band.height = 3;
  EXPECT_EQ(known(&memory.band, "a band").height, 3);
}

TEST(Known, RefusesNullAndWhatIsShorterThanAnyWas) {
  EXPECT_EQ(refusal(nullptr, OSTEON_INVALID_ARGUMENT), "a band is NULL");
  osteon_band band{};
  EXPECT_EQ(refusal(&band, OSTEON_INVALID_ARGUMENT), "a band is 0 bytes long, at least 48 were expected");
  band.struct_size = 47;
  EXPECT_THAT(refusal(&band, OSTEON_INVALID_ARGUMENT), HasSubstr("is 47 bytes long"));
}

TEST(Known, RefusesFlagsThatMustBeUnderstoodAndPassesOthersOver) {
  auto band = sized<osteon_band>();
  for (int bit = 0; bit < 16; ++bit) {
    band.flags = 1u << bit;
    EXPECT_THAT(refusal(&band, OSTEON_UNSUPPORTED), HasSubstr("a band has flags 0x")) << bit;
    EXPECT_EQ(refusal(&band, OSTEON_OK, band.flags), "") << bit;
  }
  for (int bit = 16; bit < 32; ++bit) {
    band.flags = 1u << bit;
    EXPECT_EQ(refusal(&band, OSTEON_OK), "") << bit;
  }
  band.flags = 0x10000 | 0x8001;
  EXPECT_THAT(refusal(&band, OSTEON_UNSUPPORTED, 1), HasSubstr("flags 0x8000 that must be understood"));
}

TEST(FillKnown, WritesNoFurtherThanTheCallerKnows) {
  struct {
    osteon_call_options out;
    std::uint64_t another = 0x5a5a5a5a5a5a5a5a;
  } memory{};
  memory.out.struct_size = offsetof(osteon_call_options, device);
  memory.out.device.id = 77;
  auto from = sized<osteon_call_options>();
  from.threads = 3;
  from.device.id = 5;
  fill_known(from, &memory.out);
  EXPECT_EQ(memory.out.threads, 3u);
  EXPECT_EQ(memory.out.device.id, 77);
  EXPECT_EQ(memory.out.struct_size, offsetof(osteon_call_options, device));
}

TEST(Has, SaysWhetherAFieldIsThere) {
  auto image = sized<osteon_image>();
  EXPECT_TRUE(OSTEON_HAS(&image, spacing));
  image.struct_size = offsetof(osteon_image, spacing) + sizeof image.spacing - 1;
  EXPECT_FALSE(OSTEON_HAS(&image, spacing)) << "half of it is not enough";
  EXPECT_TRUE(OSTEON_HAS(&image, digest));
}

}  // namespace
}  // namespace osteon::sdk
