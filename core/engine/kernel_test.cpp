// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_test.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>

#include <malloc.h>

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <torch/csrc/autograd/autograd.h>
#include <osteon/sdk/torch/guards.hpp>

namespace osteon::engine {
namespace {

struct TestedPrecision {
  const char* name;
  at::ScalarType type;
  double unit;  // what one rounding changes a number by at most, as a part of it
};
constexpr TestedPrecision kPrecisions[] = {{"float32", at::kFloat, 0x1p-24}, {"bfloat16", at::kBFloat16, 0x1p-9}};

// Between NaN, as what lies around a tensor in memory may be: a kernel that reads it shows.
at::Tensor surrounded(const at::Tensor& values) {
  constexpr std::int64_t kAround = 1024;  // elements, which keep the alignment
  const at::Tensor memory =
      at::full({values.numel() + 2 * kAround}, std::numeric_limits<double>::quiet_NaN(), values.options());
  const at::Tensor inner = memory.narrow(0, kAround, values.numel()).view(values.sizes());
  inner.copy_(values);
  return inner;
}

// The same elements in channels-last memory where that is something else.
at::Tensor placed(const at::Tensor& values, at::MemoryFormat format) {
  if (format == at::MemoryFormat::Contiguous || values.dim() != 4) return surrounded(values);
  return surrounded(values.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : generator_(seed) {}

  // Numbers from -1 to 1, rounded to `type`. The same on every machine, unlike the library's
  // distributions.
  at::Tensor tensor(const std::vector<std::int64_t>& shape, at::ScalarType type) {
    const at::Tensor values = at::empty(shape, at::kFloat);
    float* data = values.data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i)
      data[i] = static_cast<float>(static_cast<double>(generator_() >> 11) * 0x1p-52 - 1);
    return values.to(type);
  }

 private:
  std::mt19937_64 generator_;
};

Numbers numbers_of(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

// "[0, 3, 1, 2]", of element `i` of the shape, row-major.
std::string place_of(std::size_t i, at::IntArrayRef shape) {
  std::vector<std::size_t> place(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    place[d] = i % static_cast<std::size_t>(shape[d]);
    i /= static_cast<std::size_t>(shape[d]);
  }
  return fmt::format("[{}]", fmt::join(place, ", "));
}

// What is wrong with `got`, which is called `name`; empty when nothing is.
std::string wrong_in(const std::string& name, const at::Tensor& got, const Expected& expected, double unit) {
  if (!got.defined()) return name + " is not there";
  const Numbers values = numbers_of(got);
  if (values.size() != expected.values.size())
    return fmt::format("{} has {} elements instead of {}", name, values.size(), expected.values.size());
  double range = 0, worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return fmt::format("{} is not finite at {}", name, place_of(i, got.sizes()));
    range = std::max(range, std::abs(expected.values[i]));
    const double off = std::abs(values[i] - expected.values[i]);
    if (off > worst) worst = off, at = i;
  }
  // However many terms a sum has (some kernels add up in bfloat16, which leaves a quarter of the range open where there
  // are 49152), a result that was not written has to show.
  constexpr double kMargin = 4, kNotWritten = 0.9;
  if (worst <= std::min(kMargin * unit * std::sqrt(expected.terms), kNotWritten) * range) return {};
  return fmt::format("{} is {:.6g} instead of {:.6g} at {}", name, values[at], expected.values[at],
                     place_of(at, got.sizes()));
}

std::string wrong_in(const KernelCase& kernel, const ComputedResults& got, const ExpectedResults& expected,
                     double unit) {
  std::string wrong = wrong_in("the result", got.output, expected.output, unit);
  for (std::size_t i = 0; wrong.empty() && i < expected.gradients.size(); ++i)
    wrong = wrong_in("the gradient of the " + kernel.operands[i].name,
                     i < got.gradients.size() ? got.gradients[i] : at::Tensor(), expected.gradients[i], unit);
  return wrong;
}

std::string test_case(const KernelCase& kernel, const TestedPrecision& precision, const ComputeResults& compute) {
  Draws draws(1);
  std::vector<at::Tensor> operands;
  std::vector<Numbers> numbers;
  for (const Operand& operand : kernel.operands) {
    const at::Tensor rounded = draws.tensor(operand.shape, precision.type);
    operands.push_back(operand.parameter ? rounded.to(at::kFloat) : rounded);
    numbers.push_back(numbers_of(rounded));
  }
  const at::Tensor cotangent = draws.tensor(kernel.output, precision.type);
  const ExpectedResults expected = kernel.expect(numbers, numbers_of(cotangent));

  const int threads = at::get_num_threads();
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const sdk::ThreadsGuard guard(format == at::MemoryFormat::Contiguous ? 1 : std::max(2, threads));
    std::vector<at::Tensor> there;
    for (const at::Tensor& operand : operands) there.push_back(placed(operand, format));
    std::string wrong;
    try {
      wrong = wrong_in(kernel, compute(kernel, there, placed(cotangent, format)), expected, precision.unit);
    } catch (const std::exception& e) {
      wrong = std::string("throws: ") + e.what();
      wrong.resize(std::min(wrong.find('\n'), wrong.size()));
    }
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace

ComputedResults compute_with_libtorch(const KernelCase& kernel, const std::vector<at::Tensor>& operands,
                                      const at::Tensor& cotangent) {
  const at::AutoGradMode with_gradients(true);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& operand : operands) leaves.push_back(operand.detach().requires_grad_());
  at::Tensor output;
  {
    std::optional<sdk::compat::AutocastGuard> mixed;
    if (leaves[0].scalar_type() != at::kFloat) mixed.emplace(at::kCPU, leaves[0].scalar_type());
    output = kernel.run(leaves);
  }
  return {output.detach(), torch::autograd::grad({output}, leaves, {cotangent.to(output.scalar_type())})};
}

std::vector<KernelFault> test_kernels(
    const ComputeResults& compute,
    const std::function<void(const std::string& precision, const std::string& operation)>& begin) {
  std::vector<KernelFault> faults;
  for (const TestedPrecision& precision : kPrecisions)
    for (const KernelCase& kernel : kernel_cases()) {
      if (begin) begin(precision.name, kernel.operation);
      if (std::string wrong = test_case(kernel, precision, compute); !wrong.empty())
        faults.push_back({precision.name, kernel.operation, std::move(wrong)});
    }
  return faults;
}

void fill_new_memory_with_nan() {
#ifdef __GLIBC__
  // New memory gets the complement of this number's lowest byte, and a number that is not 0 switches that on: all bits
  // set are a NaN in every precision.
  constexpr int kAllBitsSet = 0x100;
  mallopt(M_PERTURB, kAllBitsSet);
#endif
}

void limit_processor_time() {
  constexpr rlim_t kSeconds = 60;
  const rlimit limit{kSeconds, kSeconds + 1};
  ::setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace osteon::engine
