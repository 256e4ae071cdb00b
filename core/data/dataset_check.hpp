// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "data/dataset.hpp"

namespace osteon::data {

/// Reads every image and, where there are labels, every annotation, and says what is wrong: first what the listing left
/// out, then samples in order. Errors other than Error(kData) are thrown.
///
/// @param threads   1 or more; the result does not depend on it
/// @param progress  called after each sample from any of the threads, one at a time; what it throws ends the check
std::vector<Problem> check_dataset(const Dataset& dataset, int threads,
                                   const std::function<void(int done, int total)>& progress = {});

class BrokenSamples;
/// Does Dataset::check_sample() for these samples, and hands what is wrong to `broken`, in their order. `threads` and
/// `progress` as above.
void check_samples(const Dataset& dataset, const std::vector<int>& indices, BrokenSamples& broken, int threads,
                   const std::function<void(int done, int total)>& progress = {});

/// The same with something else that is done with each, from any of the threads.
void read_samples(const Dataset& dataset, const std::vector<int>& indices, BrokenSamples& broken, int threads,
                  const std::function<void(int index)>& read,
                  const std::function<void(int done, int total)>& progress = {});

/// Keeps account of samples that cannot be read, as `on_broken` says. [any-thread]
class BrokenSamples {
 public:
  explicit BrokenSamples(OnBroken on_broken) : on_broken_(on_broken) {}

  /// Takes an error of `sample`. Throws it on, named after the sample, if broken data is fatal or if the error is not
  /// about data (anything but Error(kData)); otherwise notes it, once per sample.
  void handle(const Sample& sample, const Error& error);

  /// How many samples were noted.
  int count() const;
  /// What was noted, by id.
  std::vector<Problem> problems() const;
  /// "2 broken samples were skipped: image1.png (path: what), ..."; empty when there are none.
  std::string summary() const;

 private:
  OnBroken on_broken_;
  mutable std::mutex mutex_;
  std::vector<Problem> problems_;
  std::set<std::string> ids_;
};

}  // namespace osteon::data
