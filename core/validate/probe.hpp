// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"
#include "validate/check.hpp"

// What checks need to talk to a component as a host would, function by function, and to compare what it gave.
namespace osteon::validate {

/// What a call of the ABI returned.
struct Outcome {
  osteon_status status = OSTEON_OK;
  std::string text;  ///< of the error; empty when there was none
  bool ok() const noexcept { return status == OSTEON_OK; }
  /// "INVALID_ARGUMENT (the input has 2 channels, ...)".
  std::string describe() const;
};

/// Calls `function` with an error buffer.
Outcome attempt(const std::function<osteon_status(osteon_error*)>& function);

/// Fails unless the outcome is OK; `what` says what was tried: "forward at [1, 1, 32, 32]".
void expect_ok(const Outcome& outcome, const std::string& what);
/// Fails unless the call was refused with one of these and with a text; `what` says what was tried.
void expect_refused(const Outcome& outcome, std::initializer_list<osteon_status> statuses, const std::string& what);

/// A call whose end the check decides: from the poll `cancel_at` of cancelled() on it is to stop. Logs nothing.
class SteeredCall {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;
  explicit SteeredCall(int threads = 1, std::int64_t cancel_at = kNever);
  SteeredCall(const SteeredCall&) = delete;
  SteeredCall& operator=(const SteeredCall&) = delete;

  const osteon_call* raw() const noexcept { return &steered_.call; }
  /// How often the callee has looked whether it is to stop.
  std::int64_t polls() const noexcept { return steered_.polls.load(); }

 private:
  struct Steered {
    osteon_call call;  // first, so that the address of the one is that of the other
    mutable std::atomic<std::int64_t> polls{0};
    std::int64_t cancel_at = kNever;
  };
  plugin::Call inner_;
  Steered steered_;
};

/// A tensor of a check: canonical, row-major, aligned to 64 bytes, on the CPU.
class ProbeTensor {
 public:
  ProbeTensor(osteon_dtype type, std::vector<std::int64_t> shape);
  /// Zeros of float32.
  explicit ProbeTensor(std::vector<std::int64_t> shape) : ProbeTensor(sdk::dtype_of<float>(), std::move(shape)) {}
  /// float32, uniform in low..high, decided by the seed.
  static ProbeTensor random(std::vector<std::int64_t> shape, std::uint64_t seed, double low = -1, double high = 1);

  const osteon_tensor_view& view() const noexcept { return view_; }
  operator const osteon_tensor_view*() const noexcept { return &view_; }
  std::int64_t count() const noexcept { return count_; }
  template <class T = float>
  T* data() const noexcept {
    return reinterpret_cast<T*>(data_);
  }
  /// The bytes, to be compared later.
  std::vector<std::uint8_t> bytes() const { return {data_, data_ + size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> shape_, strides_;
  osteon_tensor_view view_{};
};

/// A float32 tensor's content in another layout: as a channel slice of a larger tensor, with its rows padded, or with
/// channels last. Strides are those of the ABI's canonical form, which may have gaps.
enum class Layout { kChannelSlice, kPaddedRows, kChannelsLast };
constexpr Layout kLayouts[] = {Layout::kChannelSlice, Layout::kPaddedRows, Layout::kChannelsLast};
const char* to_string(Layout layout) noexcept;
class LaidOut {
 public:
  /// Copies `content` [N, C, H, W]; the gaps hold a value that would show.
  LaidOut(const ProbeTensor& content, Layout layout);
  const osteon_tensor_view& view() const noexcept { return view_; }
  /// The elements, row-major.
  std::vector<float> values() const;
  /// Whether the gaps still hold what they held.
  bool gaps_untouched() const;

 private:
  std::vector<std::int64_t> shape_, strides_;
  std::unique_ptr<ProbeTensor> memory_;
  osteon_tensor_view view_{};
};

/// Pixel (y, x) of channel c of a picture for checks: waves of a few pixels' length, without edges, 0..1, and unlike
/// itself a few pixels further.
double texture(std::int64_t y, std::int64_t x, std::int64_t c = 0);
/// |Correlation| of the square `before` with `after` moved by (dy, dx), of at most 4 pixels each, away from the border.
double correlation(const float* before, const float* after, std::int64_t side, std::int64_t dy, std::int64_t dx);

/// The elements of a floating tensor (float32, float16, bfloat16, float64) of any strides, row-major.
std::vector<float> values_of(const osteon_tensor_view& view);

/// Where two lists of numbers differ most. NaN equals NaN here, and differs from all else.
struct Difference {
  double worst = 0;  ///< |a - b| at `index`; infinity when just one is NaN or the lists are of two lengths
  std::size_t index = 0;
  double expected = 0, got = 0;
  /// "at element 17: expected 0.5, got 0.25".
  std::string describe() const;
};
Difference difference(const std::vector<float>& expected, const std::vector<float>& got);
/// Greatest magnitude; 0 of nothing.
double greatest(const std::vector<float>& values);
/// Index of the first element that is NaN or infinite; the size when all are finite.
std::size_t first_not_finite(const std::vector<float>& values);

/// Values for every parameter of the schema: what was given for it, its default, or, where the recipe must give it, one
/// that its bounds allow. A predictor is called "another". Skips for paths that were not given.
plugin::Parameters usual_parameters(const Subject& subject);

/// Class names "class_0", "class_1", ...
plugin::ClassContext classes_of(std::int64_t count, bool multiclass = false);

/// Runs `body(index)` for 0 .. count - 1, each on a thread of its own, and rethrows the first failure.
void in_threads(int count, const std::function<void(int)>& body);

/// Calls `work` over and over for some seconds and fails when memory in use grows with it; `what` names it. Counts what
/// malloc gave out, in the whole process, and the resident set.
std::string expect_no_growth(const std::string& what, const std::function<void()>& work);

/// Makes a call undisturbed, then stops it at its first polls in turn: each time it returns CANCELLED, or OK with what
/// an undisturbed one gives (`right` says so). Fails too when a call of 200 ms and more never asks. Gives "WHAT: 3
/// polls in 20 ms", which no_polls() understands.
std::string expect_cancellable(const std::string& what,
                               const std::function<Outcome(const osteon_call* call, bool* right)>& work);
bool no_polls(const std::string& report);

/// Milliseconds that `work` takes: the best of `rounds`.
double best_milliseconds(int rounds, const std::function<void()>& work);

/// The greatest resident set so far, in MiB.
double peak_resident_mib();

}  // namespace osteon::validate
