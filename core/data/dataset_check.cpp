// SPDX-License-Identifier: Apache-2.0
#include "data/dataset_check.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <numeric>
#include <optional>
#include <thread>

namespace osteon::data {
namespace {

/// Shared by the threads of one check. Each writes only its own samples' slots.
struct Check {
  const std::vector<int>& indices;
  const std::function<void(int)>& read;
  const std::function<void(int, int)>& progress;
  std::vector<std::optional<Error>> found = std::vector<std::optional<Error>>(indices.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex{};  // guards done, failure and calls of progress
  int done = 0;
  std::exception_ptr failure{};

  void look_at(std::size_t i) {
    try {
      read(indices[i]);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kData) throw;
      found[i] = error;
    }
  }

  void work() noexcept {
    for (std::size_t i = next++; i < indices.size(); i = next++) {
      std::exception_ptr thrown;
      try {
        look_at(i);
      } catch (...) {
        thrown = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      if (failure) return;
      try {
        if (thrown) std::rethrow_exception(thrown);
        if (progress) progress(++done, static_cast<int>(indices.size()));
      } catch (...) {
        failure = std::current_exception();
        return;
      }
    }
  }
};

/// What `read` throws for each of the samples.
std::vector<std::optional<Error>> check(const std::vector<int>& indices, int threads,
                                        const std::function<void(int)>& read,
                                        const std::function<void(int, int)>& progress) {
  Check shared{indices, read, progress};
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&shared] { shared.work(); });
  shared.work();
  for (std::thread& thread : others) thread.join();
  if (shared.failure) std::rethrow_exception(shared.failure);
  return std::move(shared.found);
}

}  // namespace

std::vector<Problem> check_dataset(const Dataset& dataset, int threads, const std::function<void(int, int)>& progress) {
  std::vector<int> all(dataset.samples().size());
  std::iota(all.begin(), all.end(), 0);
  const auto read = [&](int index) {
    const cv::Size size = dataset.read_image(index).size();
    if (dataset.has_labels()) dataset.read_labels(index, size);
  };
  const auto found = check(all, threads, read, progress);
  std::vector<Problem> problems = dataset.left_out();
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i]) problems.push_back({dataset.samples()[i].id, found[i]->what(), found[i]->where()});
  return problems;
}

void check_samples(const Dataset& dataset, const std::vector<int>& indices, BrokenSamples& broken, int threads,
                   const std::function<void(int, int)>& progress) {
  read_samples(
      dataset, indices, broken, threads, [&](int index) { dataset.check_sample(index); }, progress);
}

void read_samples(const Dataset& dataset, const std::vector<int>& indices, BrokenSamples& broken, int threads,
                  const std::function<void(int)>& read, const std::function<void(int, int)>& progress) {
  const auto found = check(indices, threads, read, progress);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i]) broken.handle(dataset.samples()[static_cast<std::size_t>(indices[i])], *found[i]);
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
