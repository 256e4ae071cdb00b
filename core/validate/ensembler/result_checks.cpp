// SPDX-License-Identifier: Apache-2.0
// What an ensembler says of itself, and what it makes of its members.
#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>

#include "validate/ensembler/probe.hpp"
#include "validate/harness/choices.hpp"

namespace osteon::validate {
namespace {

constexpr std::int64_t kMemberHeight = MemberSayings::kHeight, kMemberWidth = MemberSayings::kWidth;

// Means may differ by rounding, votes may not.
double tolerance(const EnsemblerProbe& ensembler) { return ensembler.info().gives == OSTEON_FORM_BITS ? 0 : 1e-6; }

std::string says_what_it_is(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const osteon_ensembler_info first = ensembler.info();
    expect(first.takes == OSTEON_FORM_LOGITS || first.takes == OSTEON_FORM_PROBABILITIES ||
               first.takes == OSTEON_FORM_BITS,
           "info.takes is {}, which is no form", first.takes);
    expect(first.gives == OSTEON_FORM_PROBABILITIES || first.gives == OSTEON_FORM_BITS,
           "info.gives is {}, expected OSTEON_FORM_PROBABILITIES or _BITS", first.gives);
    const osteon_ensembler_api& api = ensembler.api();
    expect(api.needed != nullptr && api.begin != nullptr && api.add != nullptr && api.finish != nullptr,
           "one of needed, begin, add and finish is missing");
    ensembler.combine(ensembler.sayings());
    const osteon_ensembler_info again = ensembler.info();
    expect(again.takes == first.takes && again.gives == first.gives && again.flags == first.flags,
           "info has changed after a combination");
    const char* const forms[] = {"", "logits", "probabilities", "bits"};
    report = fmt::format("{} to {}{}", forms[first.takes], forms[first.gives], ensembler.must_fit() ? ", fitted" : "");
  });
  return report;
}

std::string takes_what_it_said(const Subject& subject) {
  const plugin::ComponentSchema& schema = subject.component.schema;
  if (schema.types.empty()) skip("it says what it takes and gives of its instances alone");
  int made = 0;
  for (const plugin::TypeRow& row : schema.types) {
    const auto ensembler = EnsemblerProbe::make(with_choices(subject, row), row.multiclass);
    if (ensembler == nullptr) continue;
    ++made;
    expect(plugin::type_of(ensembler->info()) == row.whole, "for {} an instance's info is another than `types` said",
           row.values.empty() ? "its parameters" : fmt::format("{}", fmt::join(row.values, ", ")));
  }
  return fmt::format("{} of {} combinations could be made", made, schema.types.size());
}

std::string results_canonical(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kMemberHeight, ensembler.all_classes());
    EnsemblerProbe::Band accumulation(ensembler, band);
    for (const std::int64_t m : ensembler.needed_members(band.classes)) accumulation.add(m, said);
    osteon_tensor out{};
    out.struct_size = sizeof out;
    expect_ok(accumulation.try_finish(&out), "finish");
    const sdk::OwnedTensor result(out);
    expect_owned(out, "what finish gave");
  });
  return {};
}

// What a member says of a class that it does not have means nothing, whatever stands there.
std::string members_without_classes(const Subject& subject) {
  std::string refused;
  for_each_labels(subject, [&](const EnsemblerProbe& labels) {
    // The first member has no class 1, the last has that alone.
    const std::vector<std::uint8_t> has = {1, 0, 1, 1, 1, 1, 0, 1, 0};
    const auto ensembler = EnsemblerProbe::make(subject, labels.multiclass(), 3, false, has);
    if (ensembler == nullptr) {
      refused = "refuses members that do not have all classes";
      return;
    }
    const MemberSayings said = ensembler->sayings();
    MemberSayings other = said;
    const bool bits = ensembler->info().takes == OSTEON_FORM_BITS;
    for (std::int64_t m = 0; m < EnsemblerProbe::kMembers; ++m)
      for (std::int64_t k = 0; k < 3; ++k) {
        if (has[static_cast<std::size_t>(m * 3 + k)] != 0) continue;
        expect(!ensembler->needed(m, k), "member {} is needed for class {}, which it does not have", m, k);
        for (std::int64_t p = 0; p < kMemberHeight * kMemberWidth; ++p)
          other.at(m, k, p) = bits ? 1 - said.at(m, k, p) : std::numeric_limits<float>::quiet_NaN();
      }
    const Difference apart = difference(ensembler->combine(said), ensembler->combine(other));
    expect(apart.worst == 0, "what stands where a member does not have a class counts: {}", apart.describe());
  });
  return refused;
}

std::string order_of_members(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kMemberHeight, ensembler.all_classes());
    std::vector<std::int64_t> order = ensembler.needed_members(band.classes);
    const std::vector<float> rising = ensembler.combine(said, band, order);
    while (std::next_permutation(order.begin(), order.end())) {
      const Difference apart = difference(rising, ensembler.combine(said, band, order));
      expect(apart.worst <= tolerance(ensembler), "members in another order give something else, {}", apart.describe());
    }
  });
  return {};
}

std::string bands_agree(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const std::vector<float> whole = ensembler.combine(said);
    const std::size_t planes = whole.size() / static_cast<std::size_t>(kMemberHeight * kMemberWidth);
    for (const std::int64_t rows : {1, 5, 11})
      for (std::int64_t first = 0; first < kMemberHeight; first += rows) {
        const ProbeBand band(first, std::min(rows, kMemberHeight - first), ensembler.all_classes());
        const std::vector<float> part = ensembler.combine(said, band);
        const std::size_t pixels = part.size() / planes;
        for (std::size_t i = 0; i < part.size(); ++i) {
          const float expected = whole[i / pixels * static_cast<std::size_t>(kMemberHeight * kMemberWidth) +
                                       static_cast<std::size_t>(first * kMemberWidth) + i % pixels];
          expect(std::abs(static_cast<double>(part[i] - expected)) <= tolerance(ensembler),
                 "rows {} to {} combined alone give {}, within the whole image {}", first, first + band.raw.height,
                 part[i], expected);
        }
      }
  });
  return {};
}

std::string classes_agree(const Subject& subject) {
  const auto ensembler = EnsemblerProbe::make(subject, false);
  if (ensembler == nullptr) skip("it is for multiclass data, whose classes are decided together");
  const MemberSayings said = ensembler->sayings();
  const std::vector<float> all = ensembler->combine(said);
  const auto pixels = static_cast<std::size_t>(kMemberHeight * kMemberWidth);
  for (std::int32_t k = 0; k < 3; ++k) {
    // A member that another class of the group needs is added for the whole group.
    const std::vector<float> one = ensembler->combine(said, ProbeBand(0, kMemberHeight, {k}));
    for (std::size_t p = 0; p < pixels; ++p) {
      const bool bits = ensembler->info().gives == OSTEON_FORM_BITS;
      const double expected = bits ? static_cast<double>(static_cast<std::int64_t>(all[p]) >> k & 1)
                                   : static_cast<double>(all[static_cast<std::size_t>(k) * pixels + p]);
      expect(std::abs(static_cast<double>(one[p]) - expected) <= tolerance(*ensembler),
             "class {} combined alone gives {}, among all classes {}", k, one[p], expected);
    }
  }
  return {};
}

std::string results_in_range(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    for (const bool extreme : {false, true}) {
      MemberSayings said = ensembler.sayings();
      const bool logits = ensembler.info().takes == OSTEON_FORM_LOGITS;
      for (std::int64_t p = 0; extreme && p < kMemberHeight * kMemberWidth; ++p)
        for (std::int64_t m = 0; m < EnsemblerProbe::kMembers; ++m)
          for (std::int64_t k = 0; k < 3; ++k) said.at(m, k, p) = logits ? (p % 2 == 0 ? 1e4f : -1e4f) : p % 2 == 0;
      for (const float value : ensembler.combine(said)) {
        if (ensembler.info().gives == OSTEON_FORM_BITS)
          expect((static_cast<std::int64_t>(value) & ~std::int64_t{7}) == 0, "bits of 3 classes have others set: {:#x}",
                 static_cast<std::int64_t>(value));
        else
          expect(value >= 0 && value <= 1, "it gave the probability {}, expected 0..1", value);
      }
    }
  });
  return {};
}

std::string many_classes(const Subject& subject) {
  for (const std::int64_t n : {1, 33, 70}) {
    const auto ensembler = EnsemblerProbe::make(subject, false, n);
    if (ensembler == nullptr) skip("it is for multiclass data");
    ensembler->combine(ensembler->sayings());
    ensembler->combine(ensembler->sayings(), ProbeBand(2, 3, {static_cast<std::int32_t>(n - 1)}));
  }
  return {};
}

// What `needed` calls unneeded, the host does not run.
std::string needed_is_true(const Subject& subject) {
  int unneeded = 0;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    std::vector<std::int64_t> everybody(EnsemblerProbe::kMembers);
    std::iota(everybody.begin(), everybody.end(), 0);
    for (std::int32_t k = 0; k < 3; ++k) {
      expect(!ensembler.needed_members({k}).empty(), "class {} needs no member at all", k);
      for (std::int64_t m = 0; m < EnsemblerProbe::kMembers; ++m) {
        if (ensembler.needed(m, k)) continue;
        ++unneeded;
        MemberSayings other = said;
        for (std::int64_t p = 0; p < kMemberHeight * kMemberWidth; ++p) other.at(m, k, p) = 1 - other.at(m, k, p);
        const ProbeBand band(0, kMemberHeight, {k});
        if (ensembler.multiclass()) continue;
        expect(
            difference(ensembler.combine(said, band, everybody), ensembler.combine(other, band, everybody)).worst == 0,
            "member {} is not needed for class {} and changes it", m, k);
      }
    }
  });
  return fmt::format("{} pairs of a member and a class unneeded", unneeded);
}

std::string odd_bands(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 4099}, {1367, 1}})
      ensembler.combine(said, ProbeBand(0, height, ensembler.all_classes(), width));
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{0, 9}, {4, 0}}) {
      const ProbeBand band(0, height, ensembler.all_classes(), width);
      EnsemblerProbe::Band accumulation(ensembler, band);
      if (!accumulation.begun().ok()) {
        expect_refused(accumulation.begun(), {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                       fmt::format("begin of {} x {} pixels", height, width));
        continue;
      }
      for (const std::int64_t m : ensembler.needed_members(band.classes)) accumulation.add(m, said);
      expect_ok(accumulation.try_finish(sdk::OwnedTensor().out()), "finish of an empty band");
    }
  });
  return {};
}

std::string odd_values(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    if (ensembler.info().takes == OSTEON_FORM_BITS) skip("bits have no odd values");
    const MemberSayings said = ensembler.sayings();
    const std::vector<float> before = ensembler.combine(said);
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min()}) {
      MemberSayings odd = said;
      for (std::int64_t p = 0; p < kMemberHeight * kMemberWidth; p += 5) odd.at(0, 0, p) = value;
      const ProbeBand band(0, kMemberHeight, ensembler.all_classes());
      EnsemblerProbe::Band accumulation(ensembler, band);
      for (const std::int64_t m : ensembler.needed_members(band.classes)) {
        const Outcome outcome = accumulation.try_add(m, odd.of(m, band.raw));
        if (!outcome.ok())
          expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_BAD_INPUT}, fmt::format("add with {}", value));
      }
    }
    expect(difference(before, ensembler.combine(said)).worst == 0, "after odd values usual ones come out different");
  });
  return {};
}

std::string released_by_anyone(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& labels) {
    auto ensembler = EnsemblerProbe::make(subject, labels.multiclass());
    const MemberSayings said = ensembler->sayings(), other = ensembler->sayings(9);
    const ProbeBand band(0, kMemberHeight, ensembler->all_classes());
    const auto finish = [&](const MemberSayings& sayings) {
      EnsemblerProbe::Band accumulation(*ensembler, band);
      for (const std::int64_t m : ensembler->needed_members(band.classes)) accumulation.add(m, sayings);
      return accumulation.finish_owned();
    };
    sdk::OwnedTensor result = finish(said);
    const std::vector<float> before = floats_of(result.view());
    finish(other);
    expect(difference(before, floats_of(result.view())).worst == 0, "a result changes when another band is combined");
    ensembler.reset();
    expect(difference(before, floats_of(result.view())).worst == 0, "a result changes when its ensembler is destroyed");
    std::thread([&result] { sdk::OwnedTensor gone(std::move(result)); }).join();
  });
  return {};
}

}  // namespace

const std::vector<Check>& ensembler_result_checks() {
  static const std::vector<Check> checks = {
      {"says-what-it-is", "info is complete, known and constant, and the functions are there", says_what_it_is},
      {"takes-what-it-said", "what `types` says of an ensembler, each instance's info says too", takes_what_it_said},
      {"results-canonical", "results are canonical: row-major without gaps, aligned, of the caller's",
       results_canonical},
      {"members-without-classes", "a member does not count for classes that it does not have", members_without_classes},
      {"order-of-members", "the order of members changes means by 1e-6 at most and votes not at all", order_of_members},
      {"bands-agree", "rows combined alone are what they are within the image", bands_agree},
      {"classes-agree", "a class combined alone is what it is among all", classes_agree},
      {"results-in-range", "probabilities are 0..1, bit planes have no other classes", results_in_range},
      {"many-classes", "one class and more than 32 work", many_classes},
      {"needed-is-true", "every class needs a member, and one that is not needed changes nothing", needed_is_true},
      {"odd-bands", "empty and oddly shaped bands work or are refused", odd_bands},
      {"odd-values", "an ensembler survives NaN, infinities and denormals, nothing is left behind", odd_values},
      {"released-by-anyone", "results outlive the instance and are released in any thread", released_by_anyone},
  };
  return checks;
}

}  // namespace osteon::validate
