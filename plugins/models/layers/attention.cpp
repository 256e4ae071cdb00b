// SPDX-License-Identifier: Apache-2.0
#include "attention.hpp"

#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include <osteon/sdk/torch/compat.hpp>

namespace osteon::layers {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// [N, L, heads, d] in memory, so that joining the heads again copies nothing; seen as [N, heads, L, d].
at::Tensor empty_heads(const at::Tensor& like) {
  return at::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, like.options()).transpose(1, 2);
}

at::ScalarType wide(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type; }

double scale_of(const at::Tensor& q) { return 1 / std::sqrt(static_cast<double>(q.size(3))); }

/// How much each key counts for each query: [rows, M] of q [rows, d], which is scaled already, and k [M, d].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k) {
  return at::mm(q, k.t()).softmax(-1, wide(q.scalar_type())).to(q.scalar_type());
}

/// Calls `body(n, head, first, count)` for bands of queries whose scores stay in a processor's cache, or are enough
/// work for a device.
template <class Body>
void for_each_band(const at::Tensor& q, const at::Tensor& k, Body&& body) {
  const std::int64_t scores = q.is_cpu() ? std::int64_t{1} << 18 : std::int64_t{1} << 24;
  const std::int64_t queries = q.size(2),
                     band = std::max<std::int64_t>(1, scores / std::max<std::int64_t>(1, k.size(2)));
  for (std::int64_t n = 0; n < q.size(0); ++n)
    for (std::int64_t head = 0; head < q.size(1); ++head)
      for (std::int64_t first = 0; first < queries; first += band)
        body(n, head, first, std::min(band, queries - first));
}

struct AttendByBands : torch::autograd::Function<AttendByBands> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    context->save_for_backward({q, k, v});
    const double scale = scale_of(q);
    at::Tensor out = empty_heads(q);
    for_each_band(q, k, [&](auto n, auto head, auto first, auto count) {
      const at::Tensor weights = attention(q[n][head].narrow(0, first, count) * scale, k[n][head]);
      out[n][head].narrow(0, first, count).copy_(at::mm(weights, v[n][head]));
    });
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &grad = grads[0];
    const double scale = scale_of(q);
    at::Tensor dq = empty_heads(q);
    at::Tensor dk = empty_heads(k).to(wide(k.scalar_type())).zero_(), dv = at::zeros_like(dk);
    for_each_band(q, k, [&](auto n, auto head, auto first, auto count) {
      const at::Tensor queries = q[n][head].narrow(0, first, count) * scale,
                       out = grad[n][head].narrow(0, first, count);
      const at::Tensor weights = attention(queries, k[n][head]);
      dv[n][head].add_(at::mm(weights.t(), out));
      const at::Tensor scores =
          at::_softmax_backward_data(at::mm(out, v[n][head].t()), weights, -1, weights.scalar_type());
      dq[n][head].narrow(0, first, count).copy_(at::mm(scores, k[n][head]).mul_(scale));
      dk[n][head].add_(at::mm(scores.t(), queries));
    });
    return {dq, dk.to(k.scalar_type()), dv.to(v.scalar_type())};
  }
};

}  // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor fused = sdk::compat::fused_attention(q, k, v);
  return fused.defined() ? fused : AttendByBands::apply(q, k, v);
}

}  // namespace osteon::layers
