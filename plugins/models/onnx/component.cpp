// SPDX-License-Identifier: Apache-2.0
// The functions of osteon_model_api over Onnx.
#include <memory>
#include <string>

#include <osteon/sdk/plugin.hpp>

#include "onnx.hpp"

namespace osteon::models {
namespace {

const char* const kPredictsAlone =
    "an ONNX network can only predict, for OpenCV computes no gradients; train it where it comes from, or save it as "
    "TorchScript and use the plugin 'torchscript'. A recipe with train.epochs = 0 makes a run of it as it is";

Onnx& of(osteon_model* model) { return *reinterpret_cast<Onnx*>(model); }

/// The wall: as the SDK's, and OpenCV's failures keep their meaning.
template <class Body>
osteon_status guarded(osteon_error* error, Body&& body) noexcept {
  return sdk::detail::guard(error, [&] {
    try {
      body();
    } catch (const cv::Exception& e) {
      throw sdk::Error(e.code == cv::Error::StsNoMem ? OSTEON_OUT_OF_MEMORY : OSTEON_FAILED, one_line(e));
    }
  });
}

osteon_status refuse(osteon_error* error, const char* why) {
  return sdk::detail::report(error, OSTEON_UNSUPPORTED, why);
}

osteon_status create(const osteon_call* raw, const osteon_value* const* values, const osteon_model_request* request,
                     osteon_model** out, osteon_error* error) {
  return guarded(error, [&] {
    const osteon_model_request wanted = sdk::known(request, "the request for a model");
    if (wanted.in_channels < 1 || wanted.n_classes < 1)
      throw sdk::InvalidArgument("a model has at least one channel and one class");
    const auto params = sdk::detail::schema_of<Onnx::Params>().read(values);
    auto model = std::make_unique<Onnx>(sdk::Call(raw), params, wanted.in_channels, wanted.n_classes);
    *out = reinterpret_cast<osteon_model*>(model.release());
  });
}

void destroy(osteon_model* model) { delete reinterpret_cast<Onnx*>(model); }

const osteon_model_info* info(const osteon_model* model) { return &reinterpret_cast<const Onnx*>(model)->info(); }

// The weights are the file's and stay in it.
osteon_status tensors(const osteon_call* raw, osteon_model*, std::uint64_t* count,
                      const osteon_named_tensor* const** out, osteon_error* error) {
  return guarded(error, [&] {
    const sdk::Call call(raw);  // which refuses one that it does not understand
    *count = 0;
    *out = nullptr;
  });
}

osteon_status set_trainable(const osteon_call*, osteon_model*, std::uint64_t, const std::uint64_t*,
                            osteon_error* error) {
  return refuse(error, kPredictsAlone);
}

osteon_status bind(const osteon_call*, osteon_model*, std::uint64_t, const std::uint64_t*,
                   const osteon_tensor_view* const*, const osteon_tensor_view* const*, osteon_error* error) {
  return refuse(error, "an ONNX network keeps its weights in OpenCV's own memory and shows none of them");
}

void parameters_changed(osteon_model*, std::uint64_t) {}

osteon_status move(const osteon_call* raw, osteon_model*, osteon_device device, osteon_error* error) {
  return guarded(error, [&] {
    const sdk::Call call(raw);
    if (device.type != OSTEON_DEVICE_CPU) throw sdk::Unsupported("an ONNX network works on the CPU alone");
  });
}

osteon_status forward(const osteon_call* raw, osteon_model* model, const osteon_forward_options* given,
                      const osteon_tensor_view* input, std::uint64_t n_outputs, osteon_tensor* const* outputs,
                      osteon_tape** tape, osteon_error* error) {
  return guarded(error, [&] {
    const sdk::Call call(raw);
    // There is one path and one output, so that asking for the plain one or for all changes nothing.
    const osteon_forward_options options =
        sdk::known(given, "the options of a forward",
                   OSTEON_FORWARD_INPUT_GRADIENT | OSTEON_FORWARD_PLAIN | OSTEON_FORWARD_ALL_OUTPUTS);
    if (options.mode > OSTEON_MODE_TRAINING)
      throw sdk::Unsupported("mode " + std::to_string(options.mode) + " is unknown");
    if (options.mode == OSTEON_MODE_TRAINING) throw sdk::Unsupported(kPredictsAlone);
    if (options.precision != OSTEON_PRECISION_FLOAT32 && options.precision != OSTEON_PRECISION_TF32)
      throw sdk::Unsupported("an ONNX network predicts in float32 alone");
    if (tape != nullptr || n_outputs != 1) throw sdk::InvalidArgument("inference gives one output and no tape");
    of(model).infer(call, *input).move_to(outputs[0]);
  });
}

osteon_status backward(const osteon_call*, osteon_model*, osteon_tape*, std::uint64_t, const osteon_tensor_view* const*,
                       osteon_gradient_ready, void*, osteon_tensor*, osteon_error* error) {
  return refuse(error, kPredictsAlone);
}

void release_tape(osteon_model*, osteon_tape*) {}

osteon_component onnx() {
  static const osteon_model_api api = {
      sizeof api,         0,    create,  destroy,  info,        tensors, set_trainable, bind,
      parameters_changed, move, forward, backward, release_tape};
  const sdk::About about = {
      "onnx", "1.0.0", "Any network that was exported to ONNX, for prediction alone, through OpenCV's DNN module."};
  return sdk::detail::component<Onnx::Params>(OSTEON_KIND_MODEL, about, &api, {OSTEON_DEVICE_CPU},
                                              {sdk::dtype_of<float>()});
}

}  // namespace
}  // namespace osteon::models

OSTEON_PLUGIN("onnx", "1.0.0", osteon::models::onnx())
