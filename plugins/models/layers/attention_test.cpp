// SPDX-License-Identifier: Apache-2.0
#include "layers/attention.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/peak_memory.hpp"
#include "support/rounding.hpp"

namespace osteon::layers {
namespace {

/// As the paper writes it, with the scores whole.
at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  return at::matmul(scores.softmax(-1), v);
}

/// Queries, keys, values and the gradient of the output, as a network has them: heads next to each other in memory.
std::vector<at::Tensor> inputs(std::int64_t batch, std::int64_t heads, std::int64_t queries, std::int64_t keys,
                               std::int64_t depth, at::ScalarType type) {
  at::manual_seed(1);
  std::vector<at::Tensor> result;
  for (const std::int64_t rows : {queries, keys, keys, queries})
    result.push_back((at::randn({batch, rows, heads, depth}, at::kDouble) * 1.5).to(type).transpose(1, 2));
  return result;
}

/// Output and the three gradients.
template <class Attend>
std::vector<at::Tensor> through(const Attend& attend, const std::vector<at::Tensor>& in, at::ScalarType type) {
  std::vector<at::Tensor> leaves;
  for (std::size_t i = 0; i < 3; ++i) leaves.push_back(in[i].to(type).detach().set_requires_grad(true));
  const at::Tensor out = attend(leaves[0], leaves[1], leaves[2]);
  std::vector<at::Tensor> result = torch::autograd::grad({out}, leaves, {in[3].to(type)});
  result.insert(result.begin(), out.detach());
  return result;
}

double difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

/// By type, of the sums over keys and over depth, one on top of the other, and of the gradients of both.
double tolerance_of(at::ScalarType type, std::int64_t terms) {
  const auto n = static_cast<double>(terms);
  if (type == at::kDouble) return test::rounding<double>(n, 4);
  // In bfloat16 scores of up to 8 are rounded before the exponential is taken.
  return type == at::kFloat ? test::rounding(n, 4) : test::rounding<c10::BFloat16>(8 * 8);
}

class Attention : public testing::TestWithParam<at::ScalarType> {};

TEST_P(Attention, IsTheComposedOneInValueAndGradients) {
  const at::ScalarType type = GetParam();
  // One band, several with a shorter one in the end, fewer queries than a band, one key.
  const std::vector<std::vector<std::int64_t>> shapes = {
      {2, 3, 40, 17, 8}, {1, 2, 1000, 700, 16}, {2, 1, 3, 5, 4}, {1, 1, 9, 1, 2}};
  for (const auto& s : shapes) {
    const double tolerance = tolerance_of(type, std::max({s[2], s[3], s[4]}));
    const auto in = inputs(s[0], s[1], s[2], s[3], s[4], type);
    const auto expected = through(composed, in, at::kDouble), got = through(attend, in, type);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].scalar_type(), type);
      ASSERT_EQ(got[i].sizes(), expected[i].sizes());
      // A single key takes all attention: no change of query or key matters.
      if (s[3] == 1 && (i == 1 || i == 2)) {
        EXPECT_LE(got[i].abs().max().item<double>(), tolerance);
        continue;
      }
      EXPECT_LE(difference(got[i], expected[i]), tolerance) << "shape " << s[2] << " x " << s[3] << ", tensor " << i;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Types, Attention, testing::Values(at::kDouble, at::kFloat, at::kBFloat16),
                         [](const auto& p) { return std::string(at::toString(p.param)); });

TEST(Attention, LetsHeadsJoinWithoutACopy) {
  const auto in = inputs(2, 3, 40, 17, 8, at::kFloat);
  EXPECT_TRUE(attend(in[0], in[1], in[2]).transpose(1, 2).is_contiguous());
}

// The scores alone are 256 MiB here.
TEST(Attention, NeverHoldsTheScores) {
  const auto in = inputs(1, 1, 16384, 4096, 4, at::kFloat);
  const long before = test::forget_peak();
  through(attend, in, at::kFloat);
  EXPECT_LT(test::peak_mib() - before, 64);
}

}  // namespace
}  // namespace osteon::layers
