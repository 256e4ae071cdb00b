// SPDX-License-Identifier: Apache-2.0
// Failures meet two compilers: what LibTorch throws was compiled by whoever built LibTorch, and is caught by code that
// Clang compiled. Each has to arrive at the C ABI as the status that it stands for, with its text.
#include <cstdio>
#include <string>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/abi/model.h>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/testing.hpp>

namespace {

using osteon::sdk::BorrowedTensor;
using osteon::sdk::OwnedTensor;

const osteon_component& component() { return *osteon_get_plugin(OSTEON_ABI_VERSION)->components[0]; }
const osteon_model_api& api() { return *static_cast<const osteon_model_api*>(component().api); }

int failures = 0;

void expect(bool holds, const std::string& what) {
  std::printf("%s: %s\n", holds ? "ok" : "FAILED", what.c_str());
  failures += !holds;
}

struct Outcome {
  osteon_status status;
  std::string text;
};

template <class Function>
Outcome attempt(Function&& function) {
  osteon::sdk::ErrorBuffer error;
  const osteon_status status = function(error.out());
  return {status, error.text()};
}

void expect_failure(const Outcome& outcome, osteon_status status, const char* text, const std::string& what) {
  expect(outcome.status == status && outcome.text.find(text) != std::string::npos,
         what + ": status " + std::to_string(outcome.status) + ", '" + outcome.text + "'");
}

Outcome create(const osteon_call* call, std::int64_t classes, osteon_model** model) {
  std::vector<const osteon_value*> values;
  for (std::uint64_t i = 0; i < component().n_params; ++i) values.push_back(component().params[i]->default_value);
  auto request = osteon::sdk::sized<osteon_model_request>();
  request.in_channels = 1;
  request.n_classes = classes;
  request.seed = 7;
  return attempt([&](osteon_error* e) { return api().create(call, values.data(), &request, model, e); });
}

Outcome forward(const osteon_call* call, osteon_model* model, const osteon_tensor_view* input, OwnedTensor* output) {
  const auto options = osteon::sdk::sized<osteon_forward_options>();  // inference, in float32
  osteon_tensor* outputs[] = {output->out()};
  return attempt([&](osteon_error* e) { return api().forward(call, model, &options, input, 1, outputs, nullptr, e); });
}

}  // namespace

int main() {
  const osteon::sdk::testing::TestCall call;
  osteon_model* model = nullptr;
  expect_failure(create(call.raw(), 0, &model), OSTEON_INVALID_ARGUMENT, "class", "thrown by the SDK");
  expect(create(call.raw(), 5, &model).status == OSTEON_OK, "a model is made");
  if (model == nullptr) return 1;

  alignas(64) static float pixels[64 * 64];
  OwnedTensor output;
  expect_failure(forward(call.raw(), model, BorrowedTensor(pixels, {1, 1, 4, 4}), &output), OSTEON_FAILED, "adding",
                 "thrown by LibTorch: an image of 4 pixels has no reflection of 4 more");

  // A picture of which nothing is there but its size: before it is looked at, what is made of it is asked for, and that
  // is more than there can be.
  constexpr std::int64_t kSide = std::int64_t{1} << 23;
  std::int64_t shape[] = {1, 1, kSide, kSide}, strides[] = {kSide * kSide, kSide * kSide, kSide, 1};
  const osteon_tensor_view endless{pixels, {OSTEON_DEVICE_CPU, 0}, 4, osteon::sdk::dtype_of<float>(), shape, strides,
                                   0};
  expect_failure(forward(call.raw(), model, &endless, &output), OSTEON_OUT_OF_MEMORY, "",
                 "thrown by LibTorch's allocator");

  expect(forward(call.raw(), model, BorrowedTensor(pixels, {1, 1, 64, 64}), &output).status == OSTEON_OK &&
             output.view().shape[1] == 5,
         "it works after all that");
  output.reset();
  api().destroy(model);
  return failures != 0;
}
