// SPDX-License-Identifier: Apache-2.0
#include "train/gradients.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <spdlog/spdlog.h>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/torch/tensor.hpp>

#include "base/error.hpp"

namespace osteon::train {
namespace {

constexpr std::int64_t kAligned = 16;  // floats, 64 bytes: where a tensor of the ABI begins
constexpr std::int64_t kRow = 4096;    // floats whose squares are added up in float32 before the rest is in double

std::int64_t round_up(std::int64_t count, std::int64_t to) { return (count + to - 1) / to * to; }

std::vector<std::uint64_t> parameters_of(plugin::Model& model, const plugin::Call& call) {
  std::vector<std::uint64_t> parameters;
  const auto& tensors = model.tensors(call);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].parameter) parameters.push_back(i);
  return parameters;
}

}  // namespace

Gradients::Gradients(plugin::Model& model, const plugin::Call& call) : model_(model), call_(call) {
  const std::vector<std::uint64_t> parameters = parameters_of(model_, call_);
  model_.set_trainable(call_, parameters);
  if (!bind_block(parameters)) {
    flat_.reset();
    block_.reset();
  }
  tensors_ = host_tensors(model_, call_);
  zero();
}

Gradients::~Gradients() {
  // Before the block goes, the model must have let go of it, whether the request was cancelled or not.
  try {
    plugin::CallOptions options;
    options.device = call_.raw()->device;
    const plugin::Call call(std::move(options));
    model_.set_trainable(call, {});
  } catch (const std::exception& e) {
    spdlog::warn("the model's gradients are not freed: {}", e.what());
    osteon_tensor leaked{};  // the model still points at it
    block_.move_to(&leaked);
  }
}

bool Gradients::bind_block(const std::vector<std::uint64_t>& parameters) {
  const auto& tensors = model_.tensors(call_);
  std::vector<std::int64_t> offsets;
  std::int64_t total = 0;
  for (const std::uint64_t i : parameters) {
    offsets.push_back(total);
    total += round_up(sdk::element_count(*tensors[i].value), kAligned);
  }
  total = round_up(total, kRow);
  if (total == 0) return false;
  block_ = sdk::Call(call_.raw()).allocate<float>({total});
  flat_ = sdk::borrow(block_.view());
  flat_.zero_();  // the gaps too: they stay 0, whatever all of it is scaled by
  views_.resize(parameters.size());
  std::vector<const osteon_tensor_view*> grads(parameters.size(), nullptr);
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const osteon_tensor_view& value = *tensors[parameters[p]].value;
    const std::int64_t count = sdk::element_count(value);
    if (count == 0) continue;
    views_[p] = sdk::TorchView(
        flat_.narrow(0, offsets[p], count).view(at::IntArrayRef(value.shape, static_cast<std::size_t>(value.ndim))));
    grads[p] = views_[p];
  }
  try {
    model_.bind(call_, parameters, {}, grads);
    return true;
  } catch (const Error& e) {
    if (e.code() != ExitCode::kPlugin) throw;
    spdlog::info("gradients stay in the model's own memory: {}", e.what());
    return false;
  }
}

void Gradients::zero() {
  if (in_one_block())
    flat_.zero_();
  else
    zero_gradients(tensors_);
}

void Gradients::scale(double factor) {
  if (in_one_block())
    flat_.mul_(factor);
  else
    scale_gradients(tensors_, factor);
}

double Gradients::norm() const {
  const double norm = in_one_block() ? at::linalg_vector_norm(flat_.view({-1, kRow}), 2, at::IntArrayRef({1}))
                                           .to(at::kDouble)
                                           .norm()
                                           .item<double>()
                                     : gradient_norm(tensors_);
  if (std::isfinite(norm)) return norm;
  // Squares of finite gradients may overflow in float32, never in double.
  double squares = 0;
  for (const HostTensor& tensor : tensors_)
    if (tensor.grad.defined()) squares += tensor.grad.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(squares);
}

std::string Gradients::first_not_finite() const {
  for (const HostTensor& tensor : tensors_)
    if (tensor.grad.defined() && !at::isfinite(tensor.grad).all().item<bool>()) return tensor.name;
  return {};
}

}  // namespace osteon::train
