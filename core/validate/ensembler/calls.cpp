// SPDX-License-Identifier: Apache-2.0
// The working calls of an ensembler.
#include "validate/ensembler/probe.hpp"
#include "validate/harness/working_call.hpp"

namespace osteon::validate {
namespace {

/// An ensembler, a band, and what its members say of it.
struct Combination {
  explicit Combination(std::unique_ptr<EnsemblerProbe> probe)
      : ensembler(std::move(probe)),
        band(0, MemberSayings::kHeight, ensembler->all_classes()),
        said(ensembler->sayings()),
        members(ensembler->needed_members(band.classes)) {
    expect(!members.empty(), "no class needs any member");
  }
  std::unique_ptr<EnsemblerProbe> ensembler;
  ProbeBand band;
  MemberSayings said;
  std::vector<std::int64_t> members;
};
using Shared = std::shared_ptr<const Combination>;

WorkingCall begin_call(const Shared& shared) {
  WorkingCall call;
  call.name = "begin";
  call.make = [shared](const Manner& manner, const osteon_call* given) {
    std::unique_ptr<EnsemblerProbe::Band> accumulation;  // ended as usual
    const InManner in(manner);
    accumulation = std::make_unique<EnsemblerProbe::Band>(*shared->ensembler, shared->band, given);
    return Answered{accumulation->begun(), {}};
  };
  return call;
}

WorkingCall add_call(const Shared& shared, std::int64_t member, const char* name) {
  WorkingCall call;
  call.name = name;
  call.make = [shared, member](const Manner& manner, const osteon_call* given) {
    EnsemblerProbe::Band accumulation(*shared->ensembler, shared->band);
    const ProbeTensor prediction = shared->said.of(shared->members.front(), shared->band.raw);
    const InManner in(manner);
    return Answered{accumulation.try_add(member, prediction, given), {}};
  };
  return call;
}

WorkingCall finish_call(const Shared& shared) {
  WorkingCall call;
  call.name = "finish";
  call.main = true;
  call.make = [shared](const Manner& manner, const osteon_call* given) {
    EnsemblerProbe::Band accumulation(*shared->ensembler, shared->band);
    for (const std::int64_t m : shared->members) accumulation.add(m, shared->said);
    sdk::OwnedTensor out;
    const InManner in(manner);
    const Outcome outcome = accumulation.try_finish(out.out(), given);
    return Answered{outcome, outcome.ok() ? floats_of(out.view()) : std::vector<float>()};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> ensembler_calls(const Subject& subject) {
  std::vector<WorkingCall> calls;
  for (const bool multiclass : {false, true}) {
    auto ensembler = EnsemblerProbe::make(subject, multiclass);
    if (ensembler == nullptr) continue;
    const auto shared = std::make_shared<const Combination>(std::move(ensembler));
    calls.push_back(begin_call(shared));
    calls.push_back(add_call(shared, shared->members.front(), "add"));
    calls.push_back(add_call(shared, EnsemblerProbe::kMembers, "add of a member too many"));
    calls.back().unfit = true;
    calls.push_back(finish_call(shared));
    if (const FitProbe* fit = shared->ensembler->fit())
      for (WorkingCall& call : fit_calls(shared, *fit, shared->ensembler->plan())) calls.push_back(std::move(call));
  }
  expect(!calls.empty(), "create refuses multilabel data and multiclass data");
  return calls;
}

}  // namespace osteon::validate
