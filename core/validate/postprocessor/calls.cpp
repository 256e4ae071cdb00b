// SPDX-License-Identifier: Apache-2.0
// The working calls of a post-processor.
#include "validate/harness/working_call.hpp"
#include "validate/postprocessor/probe.hpp"

namespace osteon::validate {
namespace {

/// A post-processor over the checks' model.
struct Chain {
  explicit Chain(std::unique_ptr<PostprocessorProbe> probe)
      : post(std::move(probe)), leaf(post->leaf()), image(24, 31), image_again(24, 31) {}
  std::unique_ptr<PostprocessorProbe> post;
  std::unique_ptr<LeafPredictor> leaf;
  ProbeImage image, image_again;
};

WorkingCall process_call(const std::shared_ptr<const Chain>& chain, const osteon_predict_request& request) {
  WorkingCall call;
  call.name = "process for " + describe(request);
  call.main = true;
  call.tolerance = 1e-5;
  call.make = [chain, request](const Manner& manner, const osteon_call* given) {
    const InManner in(manner);
    const ProcessResult result =
        chain->post->try_process(*chain->leaf, {chain->image, chain->image_again}, request, given);
    if (!result.outcome.ok()) return Answered{result.outcome, {}};
    return Answered{result.outcome, floats_of(result.predictions[0])};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> postprocessor_calls(const Subject& subject) {
  std::vector<WorkingCall> calls;
  for (const bool multiclass : {false, true}) {
    auto post = PostprocessorProbe::make(subject, multiclass);
    if (post == nullptr) continue;
    const auto chain = std::make_shared<const Chain>(std::move(post));
    for (const osteon_predict_request& request : chain->post->requests()) calls.push_back(process_call(chain, request));
    calls.push_back(process_call(chain, sdk::make_request(9, OSTEON_GRID_IMAGE)));
    calls.back().unfit = true;
    if (const FitProbe* fit = chain->post->fit())
      for (WorkingCall& call : fit_calls(chain, *fit, chain->post->plan())) calls.push_back(std::move(call));
  }
  expect(!calls.empty(), "create refuses multilabel data and multiclass data");
  return calls;
}

}  // namespace osteon::validate
