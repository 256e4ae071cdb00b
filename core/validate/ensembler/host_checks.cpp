// SPDX-License-Identifier: Apache-2.0
// What an ensembler refuses, and how it behaves in a host that runs threads, cancels, and goes on for days.
#include <algorithm>

#include "validate/ensembler/probe.hpp"
#include "validate/harness/cancellation.hpp"

namespace osteon::validate {
namespace {

constexpr std::int64_t kHeight = MemberSayings::kHeight, kWidth = MemberSayings::kWidth;

std::string wrong_members_refused(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kHeight, ensembler.all_classes()), smaller(0, kHeight - 1, ensembler.all_classes());
    const std::int64_t m = ensembler.needed_members(band.classes).front();
    EnsemblerProbe::Band accumulation(ensembler, band);
    const ProbeTensor right = said.of(m, band.raw), low = said.of(m, smaller.raw);
    const ProbeTensor flat(right.view().dtype, {right.view().shape[0], kHeight * kWidth});
    const ProbeTensor bytes(sdk::dtype_of<std::uint8_t>(), {right.view().shape[0], kHeight, kWidth});
    const auto refuse = [&](const std::string& what, std::int64_t member, const ProbeTensor& prediction) {
      expect_refused(accumulation.try_add(member, prediction), {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                     "add of " + what);
    };
    refuse("member 3 of 3", EnsemblerProbe::kMembers, right);
    refuse("member -1", -1, right);
    refuse("a prediction with a row too few", m, low);
    refuse("a prediction of 2 dimensions", m, flat);
    refuse("a prediction of uint8", m, bytes);
    accumulation.add(m, said);
    refuse("a member that was added already", m, right);
    for (const std::int64_t other : ensembler.needed_members(band.classes))
      if (other != m) accumulation.add(other, said);
    expect(difference(accumulation.finish(), ensembler.combine(said)).worst <= 1e-6,
           "after refused members the right ones give something else");
  });
  return {};
}

std::string wrong_bands_refused(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const auto refuse = [&](const std::string& what, const ProbeBand& band) {
      const EnsemblerProbe::Band accumulation(ensembler, band);
      expect_refused(accumulation.begun(), {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "begin with " + what);
    };
    refuse("class 3 of 3", {0, 4, {0, 3}});
    refuse("class -1", {0, 4, {-1, 0}});
    refuse("classes that do not rise", {0, 4, {1, 0}});
    refuse("a height of -4", {0, -4, {0, 1, 2}});
  });
  return {};
}

std::string inputs_unchanged(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kHeight, ensembler.all_classes());
    EnsemblerProbe::Band accumulation(ensembler, band);
    std::vector<ProbeTensor> given;
    for (const std::int64_t m : ensembler.needed_members(band.classes)) {
      given.push_back(said.of(m, band.raw));
      expect_ok(accumulation.try_add(m, given.back()), "add");
    }
    accumulation.finish();
    std::size_t i = 0;
    for (const std::int64_t m : ensembler.needed_members(band.classes))
      expect(given[i++].bytes() == said.of(m, band.raw).bytes(), "add or finish wrote to member {}'s prediction", m);
  });
  return {};
}

std::string bands_can_be_dropped(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kHeight, ensembler.all_classes());
    for (const bool added : {false, true}) {
      EnsemblerProbe::Band accumulation(ensembler, band);
      expect_ok(accumulation.begun(), "begin");
      if (added) accumulation.add(ensembler.needed_members(band.classes).front(), said);
      expect_ok(accumulation.try_finish(nullptr), "finish with no place for a result");
    }
    EnsemblerProbe::Band nothing(ensembler, band);
    sdk::OwnedTensor out;
    const Outcome outcome = nothing.try_finish(out.out());
    if (!outcome.ok())
      expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_FAILED}, "finish when nothing was added");
  });
  return {};
}

std::string repeats(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings(), other = ensembler.sayings(2);
    const std::vector<float> first = ensembler.combine(said);
    ensembler.combine(other);
    expect(difference(first, ensembler.combine(said)).worst == 0, "combined again the members give something else");
    const auto another = EnsemblerProbe::make(subject, ensembler.multiclass());
    expect(difference(first, another->combine(said)).worst == 0, "another instance gives something else");
  });
  return {};
}

std::string threads_agree(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, 200, ensembler.all_classes(), 150);
    const std::vector<float> one = ensembler.combine(said, band);
    for (const int threads : {2, 4}) {
      const SteeredCall call(threads);
      const Difference apart = difference(one, ensembler.combine(said, band, {}, call.raw()));
      expect(apart.worst <= 1e-6, "on {} threads it gave something else: {}", threads, apart.describe());
    }
  });
  return {};
}

// Two bands begun before either is finished, and bands in several threads, on one instance.
std::string concurrent_bands(const Subject& subject) {
  constexpr int kThreads = 4, kRounds = 30;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    std::vector<MemberSayings> said;
    std::vector<std::vector<float>> alone;
    for (int i = 0; i < kThreads; ++i) {
      said.push_back(ensembler.sayings(static_cast<std::uint64_t>(i)));
      alone.push_back(ensembler.combine(said.back()));
    }
    const ProbeBand band(0, kHeight, ensembler.all_classes());
    const auto members = ensembler.needed_members(band.classes);
    {
      EnsemblerProbe::Band first(ensembler, band), second(ensembler, band);
      for (const std::int64_t m : members) {
        first.add(m, said[0]);
        second.add(m, said[1]);
      }
      expect(difference(alone[1], second.finish()).worst <= 1e-6 && difference(alone[0], first.finish()).worst <= 1e-6,
             "two bands in turn on one instance give something else than alone");
    }
    in_threads(kThreads, [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      for (int round = 0; round < kRounds; ++round)
        expect(difference(alone[at], ensembler.combine(said[at])).worst <= 1e-6,
               "{} threads at once on one instance give something else than alone", kThreads);
    });
  });
  return fmt::format("{} threads, {} bands each", kThreads, kRounds);
}

std::string instances_independent(const Subject& subject) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said[] = {ensembler.sayings(1), ensembler.sayings(2)};
    const std::vector<float> alone[] = {ensembler.combine(said[0]), ensembler.combine(said[1])};
    in_threads(2, [&](int i) {
      for (int round = 0; round < 20; ++round) {
        const auto own = EnsemblerProbe::make(subject, ensembler.multiclass());
        expect(difference(alone[i], own->combine(said[i])).worst <= 1e-6,
               "two instances at once in two threads give something else; instances share no mutable state");
      }
    });
  });
  return {};
}

std::string no_growth(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const ProbeBand band(0, kHeight, ensembler.all_classes());
    report = expect_no_growth("a band, one that is dropped and a refused member", [&] {
      ensembler.combine(said, band);
      EnsemblerProbe::Band dropped(ensembler, band);
      dropped.try_add(EnsemblerProbe::kMembers, said.of(0, band.raw));
    });
  });
  return report;
}

std::string cancellation(const Subject& subject) {
  std::vector<Looks> all;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const MemberSayings said = ensembler.sayings();
    const auto combine = [&](const ProbeBand& band, const std::vector<float>& expected) -> StoppableWork {
      return [&](const osteon_call* call, bool* right) -> Outcome {
        EnsemblerProbe::Band accumulation(ensembler, band, call);
        if (!accumulation.begun().ok()) return accumulation.begun();
        for (const std::int64_t m : ensembler.needed_members(band.classes)) {
          const Outcome added = accumulation.try_add(m, said.of(m, band.raw), call);
          if (!added.ok()) return added;
        }
        sdk::OwnedTensor out;
        const Outcome finished = accumulation.try_finish(out.out(), call);
        *right = finished.ok() && difference(expected, floats_of(out.view())).worst <= 1e-6;
        return finished;
      };
    };
    const ProbeBand band(0, 600, ensembler.all_classes(), 500);
    const std::vector<float> expected = ensembler.combine(said, band);
    const ProbeBand large(0, 2400, ensembler.all_classes(), 2400);
    static_assert(3 * 2400 * 2400 >= kManyValues);
    std::vector<float> expected_of_large;
    all.push_back(expect_cancellable("begin, add and finish", combine(band, expected), [&] {
      expected_of_large = ensembler.combine(said, large);
      return combine(large, expected_of_large);
    }));
    expect(difference(expected, ensembler.combine(said, band)).worst <= 1e-6,
           "after cancelled calls it gives something else");
  });
  return report_of(all);
}

std::string null_ignored(const Subject& subject) {
  subject.component.api<osteon_ensembler_api>().destroy(nullptr);
  return {};
}

std::string speed_and_memory(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const EnsemblerProbe& labels) {
    const auto ensembler = EnsemblerProbe::make(subject, labels.multiclass(), 29);
    const MemberSayings said = ensembler->sayings();
    const ProbeBand band(0, 256, ensembler->all_classes(), 1024);
    const auto members = ensembler->needed_members(band.classes);
    std::vector<ProbeTensor> given;
    for (const std::int64_t m : members) given.push_back(said.of(m, band.raw));
    const double before = peak_resident_mib();
    const double ms = best_milliseconds(3, [&] {
      EnsemblerProbe::Band accumulation(*ensembler, band);
      for (std::size_t i = 0; i < members.size(); ++i) expect_ok(accumulation.try_add(members[i], given[i]), "add");
      accumulation.finish_owned();
    });
    report += fmt::format("{}{}: {} members of [29, 256, 1024] on 1 thread {:.1f} ms, +{:.0f} MiB",
                          report.empty() ? "" : "; ", labels.multiclass() ? "multiclass" : "multilabel", members.size(),
                          ms, peak_resident_mib() - before);
  });
  return report;
}

}  // namespace

const std::vector<Check>& ensembler_host_checks() {
  static const std::vector<Check> checks = {
      {"wrong-members-refused", "members and predictions that do not fit are refused, nothing is left behind",
       wrong_members_refused},
      {"wrong-bands-refused", "bands with classes or sizes that there are not are refused", wrong_bands_refused},
      {"inputs-unchanged", "members' predictions are only read", inputs_unchanged},
      {"bands-can-be-dropped", "finish without a place for the result, or without members, ends the band",
       bands_can_be_dropped},
      {"repeats", "the same members give the same, bit by bit, from any instance", repeats},
      {"threads-agree", "the number of threads changes nothing that an ensembler gives", threads_agree},
      {"concurrent-bands", "several bands at once on one instance give what they give alone", concurrent_bands},
      {"instances-independent", "two instances of an ensembler at once in two threads give what each gives alone",
       instances_independent},
      {"no-growth", "memory does not grow with bands, dropped ones and refusals", no_growth},
      {"cancellation", "a call of an ensembler that is stopped returns CANCELLED or had finished", cancellation},
      {"null-ignored", "destroy of an ensembler ignores NULL", null_ignored},
      {"speed-and-memory", "what a band costs, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
