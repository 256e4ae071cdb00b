// SPDX-License-Identifier: Apache-2.0
#include "data/check.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>

namespace osteon::data {
namespace {

/// Shared by the threads of one check. Each writes only its own samples' slots.
struct Check {
  Check(const Dataset& read, const std::function<void(int, int)>& report)
      : dataset(read), progress(report), found(read.samples().size()) {}

  const Dataset& dataset;
  const std::function<void(int, int)>& progress;
  std::vector<std::optional<Problem>> found;
  std::atomic<int> next{0};
  std::mutex mutex;  // guards done, failure and calls of progress
  int done = 0;
  std::exception_ptr failure;

  void read(int index) {
    const Sample& sample = dataset.samples()[static_cast<std::size_t>(index)];
    try {
      dataset.read_image(index);
      if (dataset.has_labels()) dataset.read_labels(index);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kData) throw;
      found[static_cast<std::size_t>(index)] = Problem{sample.id, error.what(), error.where()};
    }
  }

  void work() noexcept {
    const int total = static_cast<int>(found.size());
    for (int i = next++; i < total; i = next++) {
      std::exception_ptr thrown;
      try {
        read(i);
      } catch (...) {
        thrown = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      if (failure) return;
      try {
        if (thrown) std::rethrow_exception(thrown);
        if (progress) progress(++done, total);
      } catch (...) {
        failure = std::current_exception();
        return;
      }
    }
  }
};

}  // namespace

std::vector<Problem> check_dataset(const Dataset& dataset, int threads, const std::function<void(int, int)>& progress) {
  Check check(dataset, progress);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&check] { check.work(); });
  check.work();
  for (std::thread& thread : others) thread.join();
  if (check.failure) std::rethrow_exception(check.failure);

  std::vector<Problem> problems = dataset.left_out();
  for (const auto& problem : check.found)
    if (problem) problems.push_back(*problem);
  return problems;
}

void BrokenSamples::handle(const Sample& sample, const Error& error) {
  if (error.code() != ExitCode::kData) throw error;
  if (on_broken_ == OnBroken::kFail)
    throw Error(error.code(),
                "sample " + sample.id + " is broken: " + error.what() + "; on_broken = \"skip\" goes on without",
                error.where());
  const std::lock_guard lock(mutex_);
  if (ids_.insert(sample.id).second) problems_.push_back({sample.id, error.what(), error.where()});
}

int BrokenSamples::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(problems_.size());
}

std::vector<Problem> BrokenSamples::problems() const {
  const std::lock_guard lock(mutex_);
  std::vector<Problem> sorted = problems_;
  std::sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) { return a.id < b.id; });
  return sorted;
}

std::string BrokenSamples::summary() const {
  const std::vector<Problem> all = problems();
  if (all.empty()) return {};
  std::string text = std::to_string(all.size()) +
                     (all.size() == 1 ? " broken sample was skipped: " : " broken samples were skipped: ");
  for (std::size_t i = 0; i < all.size(); ++i)
    text += (i == 0 ? "" : ", ") + all[i].id + " (" + all[i].where + ": " + all[i].message + ')';
  return text;
}

}  // namespace osteon::data
