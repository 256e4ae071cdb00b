// SPDX-License-Identifier: Apache-2.0
// What an augmentation says of itself, and that the key alone decides what it does.
#include <set>

#include "validate/augmentation/probe.hpp"

namespace osteon::validate {
namespace {

constexpr std::int64_t kKeyHeight = 37, kKeyWidth = 53;
constexpr std::uint64_t kKeysTried = 16;

std::string says_how_it_works(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  const osteon_augmentation_info first = augmentation.info();
  const osteon_augmentation_api& api = augmentation.api();
  expect(first.way == OSTEON_AUGMENTATION_GEOMETRIC || first.way == OSTEON_AUGMENTATION_PHOTOMETRIC,
         "info.way is {}, expected OSTEON_AUGMENTATION_GEOMETRIC or _PHOTOMETRIC", first.way);
  const bool geometric = augmentation.geometric();
  expect((geometric ? api.sample_warp != nullptr : api.apply != nullptr), "it is {} and has no {}",
         geometric ? "geometric" : "photometric", geometric ? "sample_warp" : "apply");
  expect((geometric ? api.apply == nullptr : api.sample_warp == nullptr),
         "it is {} and has {} too; an augmentation works one way", geometric ? "geometric" : "photometric",
         geometric ? "apply" : "sample_warp");
  expect(!geometric || !augmentation.edits_labels(),
         "it is geometric and says that it edits labels; the host moves those");
  expect(geometric || !augmentation.wants_boxes(),
         "it is photometric and says that it wants boxes, which it never gets");
  expect(geometric || !augmentation.types().empty(),
         "it lists no type of pixels that there is: uint8, uint16, float32");
  augmentation.draw(key_of(0), kKeyHeight, kKeyWidth);
  const osteon_augmentation_info again = augmentation.info();
  expect(again.way == first.way && again.flags == first.flags, "info has changed after a draw");
  return geometric ? "geometric" : augmentation.edits_labels() ? "photometric, edits labels" : "photometric";
}

std::string obeys_the_key(const Subject& subject) {
  const AugmentationProbe augmentation(subject), another(subject);
  std::vector<std::vector<std::uint8_t>> first;
  for (std::uint64_t i = 0; i < kKeysTried; ++i) first.push_back(augmentation.draw(key_of(i), kKeyHeight, kKeyWidth));
  for (std::uint64_t i = kKeysTried; i-- > 0;) {
    const auto at = static_cast<std::size_t>(i);
    expect(augmentation.draw(key_of(i), kKeyHeight, kKeyWidth) == first[at],
           "the same key gave something else after other draws; all randomness comes from the key");
    expect(another.draw(key_of(i), kKeyHeight, kKeyWidth) == first[at],
           "the same key gave another instance something else");
  }
  return {};
}

// Draws whose keys differ in one of their four 32-bit words alone.
std::size_t different_draws(const AugmentationProbe& augmentation, int word) {
  std::set<std::vector<std::uint8_t>> results;
  for (std::uint64_t i = 0; i < 4 * kKeysTried; ++i) {
    osteon_random_key key = key_of(0);
    key.words[word / 2] ^= (key_of(i).words[0] & 0xffffffff) << (word % 2 * 32);
    results.insert(augmentation.draw(key, kKeyHeight, kKeyWidth));
  }
  return results.size();
}

std::string uses_the_whole_key(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  std::size_t most = 0, least = SIZE_MAX;
  for (int word = 0; word < 4; ++word) {
    const std::size_t count = different_draws(augmentation, word);
    most = std::max(most, count);
    least = std::min(least, count);
  }
  if (most == 1) return "every key gives the same: nothing is random";
  expect(least > 1,
         "keys that differ in one 32-bit word alone all give the same draw, others {} different ones; steps whose keys "
         "share the other words would be drawn alike",
         most);
  return fmt::format("at least {} different draws of {}", least, 4 * kKeysTried);
}

std::string threads_agree(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto one = augmentation.draw(key_of(i), 211, 307);
    for (const int threads : {2, 4}) {
      const SteeredCall call(threads);
      expect(augmentation.draw(key_of(i), 211, 307, call.raw()) == one, "on {} threads a key gives something else",
             threads);
    }
  }
  return {};
}

std::string concurrent_draws(const Subject& subject) {
  constexpr int kThreads = 4, kRounds = 20;
  const AugmentationProbe augmentation(subject);
  std::vector<std::vector<std::uint8_t>> alone;
  for (std::uint64_t i = 0; i < kThreads; ++i) alone.push_back(augmentation.draw(key_of(i), kKeyHeight, kKeyWidth));
  in_threads(kThreads, [&](int i) {
    for (int round = 0; round < kRounds; ++round)
      expect(augmentation.draw(key_of(static_cast<std::uint64_t>(i)), kKeyHeight, kKeyWidth) ==
                 alone[static_cast<std::size_t>(i)],
             "{} threads at once on one instance: a key gives something else; keep the state of a draw out of it",
             kThreads);
  });
  return fmt::format("{} threads, {} draws each", kThreads, kRounds);
}

std::string instances_independent(const Subject& subject) {
  std::vector<std::vector<std::uint8_t>> alone;
  for (std::uint64_t i = 0; i < 2; ++i)
    alone.push_back(AugmentationProbe(subject).draw(key_of(i), kKeyHeight, kKeyWidth));
  in_threads(2, [&](int i) {
    for (int round = 0; round < 20; ++round)
      expect(AugmentationProbe(subject).draw(key_of(static_cast<std::uint64_t>(i)), kKeyHeight, kKeyWidth) ==
                 alone[static_cast<std::size_t>(i)],
             "two instances at once in two threads: a key gives something else; instances share no mutable state");
  });
  return {};
}

}  // namespace

const std::vector<Check>& augmentation_key_checks() {
  static const std::vector<Check> checks = {
      {"says-how-it-works", "info is complete, known, constant, and what the functions are", says_how_it_works},
      {"obeys-the-key", "the same key gives the same, bit by bit, whatever was drawn before and by any instance",
       obeys_the_key},
      {"uses-the-whole-key", "every part of the key counts", uses_the_whole_key},
      {"threads-agree", "the number of threads changes nothing that an augmentation gives", threads_agree},
      {"concurrent-draws", "draws at once on one instance give what they give alone", concurrent_draws},
      {"instances-independent", "two instances of an augmentation at once in two threads give what each gives alone",
       instances_independent},
  };
  return checks;
}

}  // namespace osteon::validate
