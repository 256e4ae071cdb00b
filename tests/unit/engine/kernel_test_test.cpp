// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_test.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include <malloc.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

namespace osteon::engine {
namespace {

using testing::HasSubstr;

std::string text_of(const KernelFault& fault) { return fault.precision + " " + fault.operation + ": " + fault.detail; }

Numbers numbers(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

double distance(const Numbers& a, const Numbers& b) {
  double most = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// The loops are held to what they hold others to: LibTorch's own way in double, which uses none of the kernels.
TEST(KernelReference, IsLibTorchInDouble) {
  for (const KernelCase& kernel : kernel_cases()) {
    std::vector<at::Tensor> operands;
    std::vector<Numbers> operand_numbers;
    for (const Operand& operand : kernel.operands) {
      operands.push_back(torch::rand(operand.shape, at::kDouble) - 0.5);
      operand_numbers.push_back(numbers(operands.back()));
    }
    const at::Tensor cotangent = torch::rand(kernel.output, at::kDouble) - 0.5;
    const ExpectedResults expected = kernel.expect(operand_numbers, numbers(cotangent));
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& operand : operands) leaves.push_back(operand.clone().requires_grad_());
    const at::Tensor output = kernel.run(leaves);
    const auto gradients = torch::autograd::grad({output}, leaves, {cotangent});
    ASSERT_EQ(expected.gradients.size(), gradients.size());
    EXPECT_LT(distance(numbers(output.detach()), expected.output.values), 1e-10) << kernel.operation;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      EXPECT_LT(distance(numbers(gradients[i]), expected.gradients[i].values), 1e-10)
          << kernel.operation << ", " << kernel.operands[i].name;
  }
}

bool oblong(const KernelCase& kernel) {
  const auto& shape = kernel.operands[0].shape;
  return shape.size() == 4 && shape[2] != shape[3];
}

bool is_convolution(const KernelCase& kernel) { return kernel.operation.find("convolution") != std::string::npos; }

TEST(KernelCases, AreOfAllKindsAndShapes) {
  std::map<std::string, int> found;
  for (const KernelCase& kernel : kernel_cases()) {
    for (const char* kind : {"3x3 convolution", "1x1 convolution", "stride 2 convolution", "dilated", "depthwise",
                             "3-group", "transposed", "linear", "batch norm", "layer norm", "attention"})
      found[kind] += kernel.operation.find(kind) != std::string::npos;
    if (!is_convolution(kernel)) continue;
    ++found[oblong(kernel) ? "oblong" : "square"];
    found["odd channels"] += kernel.operands[0].shape[1] % 2 == 1 && kernel.output[1] % 2 == 1;
  }
  for (const auto& [kind, count] : found) EXPECT_GT(count, 0) << kind;
}

// What is wrong on the machine at hand without anybody's doing.
const std::vector<KernelFault>& own_faults() {
  static const std::vector<KernelFault> kFaults = test_kernels();
  return kFaults;
}

bool is_own(const std::string& precision, const std::string& operation) {
  return std::any_of(own_faults().begin(), own_faults().end(), [&](const KernelFault& fault) {
    return fault.precision == precision && fault.operation == operation;
  });
}

TEST(KernelTest, FindsNothingWrongWithSoundKernels) {
  // bfloat16 is known to be wrong with AMX in oneDNN 2.6.3, and LibTorch asks for kernels that oneDNN may be kept from.
  const bool half_is_sound = !__builtin_cpu_supports("amx-bf16") && std::getenv("ONEDNN_MAX_CPU_ISA") == nullptr;
  for (const KernelFault& fault : own_faults())
    if (half_is_sound || fault.precision != "bfloat16") ADD_FAILURE() << text_of(fault);
}

TEST(KernelTest, TellsWhatItBegins) {
  std::vector<std::pair<std::string, std::string>> begun;
  const auto nothing = [](const auto&...) { return ComputedResults(); };
  const auto faults =
      test_kernels(nothing, [&](const auto& precision, const auto& kernel) { begun.emplace_back(precision, kernel); });
  ASSERT_EQ(begun.size(), 2 * kernel_cases().size());
  EXPECT_EQ(begun.front().first, "float32") << "so that it is known when bfloat16 crashes";
  EXPECT_EQ(begun.back().first, "bfloat16");
  ASSERT_EQ(faults.size(), begun.size());
  EXPECT_EQ(faults[3].operation, begun[3].second);
}

// How many rows of a map oneDNN 2.6.3 takes at once for the gradient of a 3x3 convolution's weights with AMX
// (compute_full_spat_loop): blocks of at most 48 KiB where a map has more than 128.
std::int64_t rows_at_once(std::int64_t height, std::int64_t width) {
  const auto rounded = [](std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; };
  const std::int64_t row = 2 * 16 * (rounded(width + 32, 32) + rounded(width, 2));
  std::int64_t rows = height;
  if (row * rows <= 128 * 1024) return rows;
  while (row * rows > 48 * 1024 && rows > 1) {
    std::int64_t divisor = 2;
    while (divisor < rows && rows % divisor != 0) ++divisor;
    rows = divisor < rows ? rows / divisor : rows / 2;
  }
  return rows;
}

bool loses_gradients_with_amx(const KernelCase& kernel) {
  const auto& image = kernel.operands[0].shape;
  return kernel.operation.rfind("3x3 convolution", 0) == 0 && rows_at_once(image[2], image[3]) == 1;
}

// With one row at once the first row of the kernel lies in the padding; its place is not passed over, so that the
// others are written one too early and the last is not written at all.
TEST(KernelTest, FindsTheGradientsThatOneDnnLosesWithAmx) {
  EXPECT_EQ(rows_at_once(192, 256), 1) << "where training gave NaN";
  EXPECT_EQ(rows_at_once(192, 192), 3) << "where it did not";
  EXPECT_EQ(rows_at_once(256, 256), 2);
  const auto faults = test_kernels([](const KernelCase& kernel, const auto& operands, const at::Tensor& cotangent) {
    ComputedResults results = compute_with_libtorch(kernel, operands, cotangent);
    if (operands[0].scalar_type() != at::kBFloat16 || !loses_gradients_with_amx(kernel)) return results;
    const at::Tensor right = results.gradients[1].clone();
    results.gradients[1].narrow(2, 0, 2).copy_(right.narrow(2, 1, 2));
    results.gradients[1].select(2, 2).fill_(std::numeric_limits<float>::quiet_NaN());
    return results;
  });
  std::set<std::string> expected, found;
  for (const KernelCase& kernel : kernel_cases())
    if (loses_gradients_with_amx(kernel)) expected.insert(kernel.operation);
  for (const KernelFault& fault : faults)
    if (expected.count(fault.operation) > 0 || !is_own(fault.precision, fault.operation)) found.insert(fault.operation);
  EXPECT_GE(expected.size(), 2u);
  EXPECT_EQ(found, expected);
}

enum class Spoil { kNothing, kNan, kInfinity, kOneElement, kNotWritten, kOrder, kThrow, kCount };

/// Puts one of all kinds of faults into one result of each case, by a seed, and remembers where.
class Spoiler {
 public:
  explicit Spoiler(unsigned seed) : random_(seed) {}

  ComputedResults operator()(const KernelCase& kernel, const std::vector<at::Tensor>& operands,
                             const at::Tensor& cotangent) {
    const std::string precision = operands[0].scalar_type() == at::kFloat ? "float32" : "bfloat16";
    const auto [place, added] = plan_.try_emplace(precision + " " + kernel.operation);
    if (added) {
      place->second.spoil = static_cast<Spoil>(random_() % static_cast<unsigned>(Spoil::kCount));
      place->second.result = random_() % (kernel.operands.size() + 1);
      place->second.is_own = is_own(precision, kernel.operation);
    }
    if (place->second.spoil == Spoil::kThrow) throw std::runtime_error("could not create a primitive\nand more");
    ComputedResults results = compute_with_libtorch(kernel, operands, cotangent);
    const std::size_t i = place->second.result;
    spoil(place->second.spoil, i == 0 ? results.output : results.gradients[i - 1]);
    place->second.name = i == 0 ? "the result" : "the gradient of the " + kernel.operands[i - 1].name;
    return results;
  }

  void compare(const std::vector<KernelFault>& faults) const {
    std::map<std::string, std::string> found;
    for (const KernelFault& fault : faults) found[fault.precision + " " + fault.operation] = fault.detail;
    for (const auto& [where, planned] : plan_) {
      if (planned.is_own) continue;
      const auto fault = found.find(where);
      if (planned.spoil == Spoil::kNothing) {
        if (fault != found.end()) ADD_FAILURE() << where << ": " << fault->second;
        continue;
      }
      ASSERT_NE(fault, found.end()) << where << ", " << planned.name << ", " << static_cast<int>(planned.spoil);
      if (planned.spoil == Spoil::kThrow)
        EXPECT_EQ(fault->second, "throws: could not create a primitive");
      else
        EXPECT_THAT(fault->second, HasSubstr(planned.name)) << where;
    }
  }

 private:
  struct Planned {
    Spoil spoil = Spoil::kNothing;
    std::size_t result = 0;
    bool is_own = false;
    std::string name;
  };

  void spoil(Spoil how, at::Tensor& tensor) {
    if (how == Spoil::kNothing) return;
    // The other way round is not far from what a few sums over all pixels may be off by in bfloat16.
    if (how == Spoil::kOrder && tensor.numel() < 64) how = Spoil::kNotWritten;
    tensor = tensor.contiguous().clone();
    const at::Tensor flat = tensor.view({-1});
    const auto at = static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(flat.numel()));
    const double range = flat.abs().max().item<double>();
    if (how == Spoil::kNan) flat[at] = std::numeric_limits<double>::quiet_NaN();
    if (how == Spoil::kInfinity) flat[at] = -std::numeric_limits<double>::infinity();
    if (how == Spoil::kOneElement) flat[at] += 0.7 * range;
    if (how == Spoil::kNotWritten) flat.zero_();
    if (how == Spoil::kOrder) flat.copy_(flat.flip({0}));
  }

  std::mt19937_64 random_;
  std::map<std::string, Planned> plan_;
};

void find_all_kinds(unsigned seed) {
  SCOPED_TRACE(seed);
  Spoiler spoiler(seed);
  spoiler.compare(test_kernels(std::ref(spoiler)));
}

TEST(KernelTest, FindsEveryKindOfFault) { find_all_kinds(1); }

TEST(LongKernelTest, FindsEveryKindOfFaultWhereverItIs) {
  for (unsigned seed = 2; seed < 20; ++seed) find_all_kinds(seed);
}

// What a kernel reads beyond its operands, or before it wrote it, is NaN.
TEST(KernelTest, SurroundsOperandsWithNan) {
  bool seen = false;
  test_kernels([&](const KernelCase& kernel, const std::vector<at::Tensor>& operands, const at::Tensor& cotangent) {
    for (const at::Tensor& operand : operands) {
      if (operand.scalar_type() != at::kFloat || !operand.is_contiguous()) continue;
      const float* data = operand.data_ptr<float>();
      EXPECT_TRUE(std::isnan(data[-1]) && std::isnan(data[operand.numel()])) << kernel.operation;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u);
      seen = true;
    }
    const ComputedResults nothing;
    (void)cotangent;
    return nothing;
  });
  EXPECT_TRUE(seen);
}

TEST(KernelTest, NewMemoryHoldsNan) {
  fill_new_memory_with_nan();
  const at::Tensor fresh = at::empty({4096}, at::kFloat), half = at::empty({4096}, at::kBFloat16);
  mallopt(M_PERTURB, 0);
  EXPECT_TRUE(fresh.isnan().all().item<bool>());
  EXPECT_TRUE(half.isnan().all().item<bool>());
}

}  // namespace
}  // namespace osteon::engine
