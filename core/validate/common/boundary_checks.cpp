// SPDX-License-Identifier: Apache-2.0
// What holds for the boundary between host and component, whatever the kind: flags and lengths of structs, errors that
// nobody wants to read, calls that nest, memory that comes back, statuses.
#include <algorithm>

#include "validate/harness/working_call.hpp"

namespace osteon::validate {
namespace {

// Bits of either half of a flags word that no version of the ABI has given a meaning.
constexpr int kMustBits[] = {15, 11};
constexpr int kMayBits[] = {31, 20};

/// Makes each call that works with each of these bits in each struct that it sends, one at a time.
int for_each_flagged(
    const Subject& subject, const int (&bits)[2],
    const std::function<void(const Offered& offered, const Answered& got, const std::string& how)>& look) {
  int count = 0;
  for (const Offered& offered : offered_calls(subject)) {
    if (offered.call.unfit) continue;
    std::set<std::string> sent;
    Manner manner;
    manner.seen = &sent;
    offered.call.make(manner, nullptr);
    // Who does not know a bit of the error's has no place to say so: the error is where it would.
    sent.erase(StructFacts<osteon_error>::name);
    for (const std::string& name : sent)
      for (const int bit : bits) {
        Manner flagged;
        flagged.flagged = name;
        flagged.bit = 1u << bit;
        look(offered, offered.call.make(flagged, nullptr), fmt::format("with bit {} in the flags of {}", bit, name));
        ++count;
      }
  }
  return count;
}

std::string unknown_bits_refused(const Subject& subject) {
  const int count =
      for_each_flagged(subject, kMustBits, [](const Offered& offered, const Answered& got, const std::string& how) {
        if (got.outcome.ok())
          fail("{} {}, which is unknown and must be understood, returned OK, expected UNSUPPORTED", offered.call.name,
               how);
        expect_refused(got.outcome, {OSTEON_UNSUPPORTED},
                       fmt::format("{} {}, which is unknown and must be understood,", offered.call.name, how));
      });
  return fmt::format("{} calls", count);
}

std::string other_bits_ignored(const Subject& subject) {
  const int count =
      for_each_flagged(subject, kMayBits, [](const Offered& offered, const Answered& got, const std::string& how) {
        expect_as_usual(offered, got, how + ", which may be ignored,");
      });
  return fmt::format("{} calls", count);
}

std::string structs_of_other_lengths(const Subject& subject) {
  const std::vector<Offered> offered = offered_calls(subject);
  Manner longer, shortest;
  longer.length = Manner::Length::kLonger;
  shortest.length = Manner::Length::kShortest;
  for (const Offered& call : offered) {
    expect_as_usual(call, call.call.make(longer, nullptr), "with structs that are longer than today's");
    expect_as_usual(call, call.call.make(shortest, nullptr), "with structs as short as they ever were");
  }
  return fmt::format("{} calls", 2 * offered.size());
}

std::string errors_optional(const Subject& subject) {
  const std::vector<Offered> offered = offered_calls(subject);
  Manner manner;
  manner.no_error = true;
  for (const Offered& call : offered)
    expect_as_usual(call, call.call.make(manner, nullptr), "with a NULL for its error");
  return fmt::format("{} calls", offered.size());
}

std::string calls_are_ended(const Subject& subject) {
  int derived = 0;
  const std::vector<Offered> offered = offered_calls(subject);
  for (const Offered& call : offered) {
    const SteeredCall undisturbed(2);
    call.call.make(Manner(), undisturbed.raw());
    undisturbed.expect_settled(call.call.name);
    derived += undisturbed.derived();
    const SteeredCall stopped(2, 0);
    call.call.make(Manner(), stopped.raw());
    stopped.expect_settled(call.call.name + ", stopped,");
  }
  return fmt::format("{} calls, {} derived from them", 2 * offered.size(), derived);
}

std::string memory_comes_back(const Subject& subject) {
  const std::vector<Offered> offered = offered_calls(subject);
  for (const Offered& call : offered) {  // which were made once; what is kept for the next time is kept by now
    const std::int64_t before = SteeredCall::bytes_out();
    constexpr int kRounds = 2;
    for (int i = 0; i < kRounds; ++i) call.call.make_as_usual();
    const std::int64_t left = SteeredCall::bytes_out() - before;
    expect(left <= 0, "{} made {} times: {} bytes that the call's `allocate` gave were not released", call.call.name,
           kRounds, left);
  }
  return fmt::format("{} calls", offered.size());
}

std::string derived_calls_taken(const Subject& subject) {
  const std::vector<Offered> offered = offered_calls(subject);
  for (const Offered& call : offered) {
    const SteeredCall parent(2);
    auto options = sdk::sized<osteon_call_options>();
    options.threads = 1;
    options.progress_begin = 0.25;
    options.progress_end = 0.5;
    const osteon_call* derived = nullptr;
    expect_ok(attempt([&](osteon_error* e) { return parent.raw()->derive(parent.raw(), &options, &derived, e); }),
              "the checks' own derive");
    const Answered got = call.call.make(Manner(), derived);
    parent.raw()->end(derived);
    expect_as_usual(call, got, "with a call that was derived from another");
    parent.expect_settled(call.call.name);
  }
  return fmt::format("{} calls", offered.size());
}

// An unknown status fails every check; here is where all calls are made that can return one.
std::string statuses_known(const Subject& subject) {
  int refusals = 0;
  for (const Offered& offered : offered_calls(subject)) {
    if (offered.call.unfit) {
      expect_refused(offered.usual.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, offered.call.name);
      ++refusals;
    }
    const SteeredCall stopped(1, 0);
    const Outcome outcome = offered.call.make(Manner(), stopped.raw()).outcome;
    expect(outcome.status != OSTEON_CANCELLED || stopped.polls() > 0,
           "{} returned CANCELLED and had not asked whether it is to stop", offered.call.name);
    expect(outcome.status == OSTEON_CANCELLED || outcome.status == offered.usual.outcome.status,
           "{}, stopped at its first look, returned {}, expected CANCELLED", offered.call.name, outcome.describe());
  }
  return fmt::format("{} refusals", refusals);
}

}  // namespace

const std::vector<Check>& boundary_checks() {
  static const std::vector<Check> checks = {
      {"unknown-bits-refused", "an unknown flag that must be understood, in any struct, is UNSUPPORTED with a text",
       unknown_bits_refused},
      {"other-bits-ignored", "an unknown flag that may be ignored, in any struct, changes nothing", other_bits_ignored},
      {"structs-of-other-lengths", "structs of a later host, and of the first one, are read alike",
       structs_of_other_lengths},
      {"errors-optional", "every function takes a NULL for its osteon_error", errors_optional},
      {"calls-are-ended", "calls that it derives are ended, and calls are used as they are meant", calls_are_ended},
      {"memory-comes-back", "what `allocate` gives is released, and `scratch` stays within its size",
       memory_comes_back},
      {"derived-calls-taken", "a call that was derived from another gives what the other gives", derived_calls_taken},
      {"statuses-known", "statuses are the ABI's, refusals have a text, and CANCELLED comes when it was asked for",
       statuses_known},
  };
  return checks;
}

}  // namespace osteon::validate
