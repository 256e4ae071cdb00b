// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <osteon/sdk/tensor.hpp>

#include "validate/check.hpp"
#include "validate/harness/growth.hpp"
#include "validate/harness/sent.hpp"
#include "validate/harness/steered_call.hpp"

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

/// Calls `function` with an error buffer, or with NULL where that is the manner of now. Fails at once when it returns a
/// status that the ABI does not know.
Outcome attempt(const std::function<osteon_status(osteon_error*)>& function);

/// Fails unless the outcome is OK; `what` says what was tried: "forward at [1, 1, 32, 32]".
void expect_ok(const Outcome& outcome, const std::string& what);
/// Fails unless the call was refused with one of these and with a text; `what` says what was tried.
void expect_refused(const Outcome& outcome, std::initializer_list<osteon_status> statuses, const std::string& what);

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

/// Fails unless the view is canonical: of the CPU, row-major without gaps, byte_offset 0, aligned, with memory where it
/// has elements. `what` names it: "output 'main'".
void expect_canonical(const osteon_tensor_view& view, const std::string& what, std::size_t alignment = 64);
/// Fails unless a tensor is owned and canonical.
void expect_owned(const osteon_tensor& tensor, const std::string& what);

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

/// Milliseconds that `work` takes: the best of `rounds`. To be reported; no verdict comes from a clock.
double best_milliseconds(int rounds, const std::function<void()>& work);

}  // namespace osteon::validate
