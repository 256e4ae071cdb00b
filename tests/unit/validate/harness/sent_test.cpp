// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/sent.hpp"

#include <gtest/gtest.h>

namespace osteon::validate {
namespace {

osteon_band some_band() {
  auto band = sdk::sized<osteon_band>();
  band.first_row = 3;
  band.height = 5;
  band.width = 7;
  return band;
}

TEST(Sent, IsWhatItIsMadeOf) {
  const Sent<osteon_band> sent(some_band());
  EXPECT_EQ(sent.get()->struct_size, sizeof(osteon_band));
  EXPECT_EQ(sent.get()->flags, 0u);
  EXPECT_EQ(sent.get()->width, 7);
}

TEST(Sent, GetsABitWhereItIsTheOneThatIsMeant) {
  Manner manner;
  manner.flagged = "osteon_band";
  manner.bit = 1u << 15;
  const InManner in(manner);
  EXPECT_EQ(Sent<osteon_band>(some_band()).get()->flags, 1u << 15);
  EXPECT_EQ(Sent<osteon_image>(sdk::sized<osteon_image>()).get()->flags, 0u);
}

TEST(Sent, HasGarbageBehindWhatIsLonger) {
  Manner manner;
  manner.length = Manner::Length::kLonger;
  const InManner in(manner);
  const Sent<osteon_band> sent(some_band());
  ASSERT_GT(sent.get()->struct_size, sizeof(osteon_band));
  const auto* bytes = reinterpret_cast<const unsigned char*>(sent.get());
  for (std::size_t i = sizeof(osteon_band); i < sent.get()->struct_size; ++i) EXPECT_NE(bytes[i], 0);
  EXPECT_EQ(sdk::known(sent.get(), "a band").width, 7);
}

TEST(Sent, IsAsShortAsItEverWas) {
  Manner manner;
  manner.length = Manner::Length::kShortest;
  const InManner in(manner);
  EXPECT_EQ(Sent<osteon_band>(some_band()).get()->struct_size, StructFacts<osteon_band>::least);
}

TEST(Sent, TellsWhatWasSent) {
  std::set<std::string> seen;
  Manner manner;
  manner.seen = &seen;
  {
    const InManner in(manner);
    Sent<osteon_band>{some_band()};
    Sent<osteon_call>{osteon_call{}};
  }
  Sent<osteon_image>{osteon_image{}};
  EXPECT_EQ(seen, (std::set<std::string>{"osteon_band", "osteon_call"}));
}

TEST(Sent, KeepsNullsInLists) {
  const osteon_band band = some_band();
  const osteon_band* const bands[] = {&band, nullptr, &band};
  const SentList<osteon_band> sent(3, bands);
  EXPECT_EQ(sent.get()[0]->height, 5);
  EXPECT_EQ(sent.get()[1], nullptr);
  EXPECT_NE(sent.get()[2], sent.get()[0]);
}

TEST(ShortOut, SeesWhatIsWrittenBehindIt) {
  ShortOut<osteon_warp> out(osteon_warp{});
  EXPECT_EQ(out.get()->struct_size, StructFacts<osteon_warp>::least);
  EXPECT_EQ(out.overrun(), 0u);
  reinterpret_cast<char*>(out.get())[StructFacts<osteon_warp>::least + 4] = 0;
  EXPECT_EQ(out.overrun(), 5u);
}

}  // namespace
}  // namespace osteon::validate
