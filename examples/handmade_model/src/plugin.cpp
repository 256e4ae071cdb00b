// SPDX-License-Identifier: Apache-2.0
// What lies between the network and the host: the functions of osteon_model_api, and what the library says of itself.
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <osteon/abi/model.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/plugin.hpp>

#include "network.hpp"

using osteon::sdk::Call;
using osteon::sdk::InvalidArgument;
using osteon::sdk::Unsupported;

/// An instance: the network, and what `info` shows of it.
struct osteon_model {
  osteon_model(const Network::Options& options, const osteon_model_request& request)
      : network(options, request.in_channels, request.n_classes, osteon::sdk::Random(request.seed, 0)) {
    main.role = OSTEON_OUTPUT_MAIN;
    main.name = "main";
    main.loss_weight = 1;
    main.stride = 1;
    main.channels = request.n_classes;
    info.in_channels = request.in_channels;
    info.n_classes = request.n_classes;
    info.size_multiple = network.size_multiple();
    info.n_outputs = 1;
    info.outputs = outputs;
  }

  Network network;
  osteon_model_output main = osteon::sdk::sized<osteon_model_output>();
  const osteon_model_output* outputs[1] = {&main};
  osteon_model_info info = osteon::sdk::sized<osteon_model_info>();
  int live_tapes = 0;
};

/// What a training forward leaves for its backward.
struct osteon_tape {
  Network::Tape network;
  bool wants_grad_images;
  bool used = false;
};

namespace {

/// What recipes write in [model].
struct Params : Network::Options {
  static void schema(osteon::sdk::Schema<Params>& s) {
    s.add<std::int64_t>("width", &Params::width, "channels of the first level; each further one has twice as many")
        .between(1, 64);
    s.add<std::int64_t>("levels", &Params::levels, "resolutions that the network looks at, each half of the one above")
        .between(1, 5);
    s.add<double>("prior", &Params::prior, "probability of a class in a pixel that the head begins with")
        .between(1e-6, 0.999999);
  }
};

const osteon::sdk::Schema<Params>& schema() {
  static const auto* made = new osteon::sdk::Schema<Params>();
  return *made;
}

// ---- the wall ----

osteon_status report(osteon_error* error, osteon_status status, const char* text) noexcept {
  if (error != nullptr && error->text != nullptr && error->text_size > 0)
    error->text[std::string_view(text).copy(error->text, error->text_size - 1)] = '\0';
  return status;
}

/// Runs the body of a function of the ABI: no exception leaves the library.
template <class Body>
osteon_status walled(osteon_error* error, Body&& body) noexcept {
  try {
    body();
    return OSTEON_OK;
  } catch (const osteon::sdk::Error& e) {
    return report(error, e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return report(error, OSTEON_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return report(error, OSTEON_FAILED, e.what());
  } catch (...) {
    return report(error, OSTEON_FAILED, "an exception of an unknown type");
  }
}

void expect_cpu(osteon_device device, const char* what) {
  if (device.type != OSTEON_DEVICE_CPU) throw Unsupported(std::string(what) + " is not on the CPU");
}

void expect_floats(const osteon_tensor_view& view, const std::vector<std::int64_t>& shape, const char* what) {
  expect_cpu(view.device, what);
  osteon::sdk::expect_canonical(view, what);
  if (view.dtype != osteon::sdk::dtype_of<float>())
    throw Unsupported(std::string(what) + " is " + osteon::sdk::to_string(view.dtype) + ", not float32");
  osteon::sdk::expect_shape(view, shape, what);
}

void expect_images(const osteon_model& model, const osteon_tensor_view& images) {
  expect_floats(images, {-1, model.info.in_channels, -1, -1}, "the input");
  if (osteon::sdk::element_count(images) == 0) throw InvalidArgument("the input has no image or no pixel");
  const std::int64_t multiple = model.info.size_multiple;
  for (const int side : {2, 3})
    if (images.shape[side] % multiple != 0)
      throw InvalidArgument("the input has shape " + osteon::sdk::shape_text(images) +
                            ", expected height and width in multiples of " + std::to_string(multiple));
}

void expect_no_tape(const osteon_model& model) {
  if (model.live_tapes != 0)
    throw InvalidArgument(std::to_string(model.live_tapes) + " tapes of the model are alive; release them first");
}

// ---- the functions, in the order of osteon_model_api ----

osteon_status create(const osteon_call* raw, const osteon_value* const* values, const osteon_model_request* request,
                     osteon_model** out, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    const osteon_model_request wanted = osteon::sdk::known(request, "the request for a model");
    if (wanted.in_channels < 1 || wanted.n_classes < 1)
      throw InvalidArgument("a model has at least one channel and one class");
    auto made = std::make_unique<osteon_model>(schema().read(values), wanted);
    call.stop_if_cancelled();
    *out = made.release();
  });
}

void destroy(osteon_model* model) { delete model; }

const osteon_model_info* info(const osteon_model* model) { return &model->info; }

osteon_status tensors(const osteon_call* raw, osteon_model* model, std::uint64_t* count,
                      const osteon_named_tensor* const** out, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);  // which refuses one that it does not understand
    model->network.parameters().list(count, out);
  });
}

osteon_status set_trainable(const osteon_call* raw, osteon_model* model, std::uint64_t count,
                            const std::uint64_t* indices, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    expect_no_tape(*model);
    model->network.parameters().set_trainable(count, indices);
  });
}

osteon_status bind(const osteon_call* raw, osteon_model* model, std::uint64_t count, const std::uint64_t* indices,
                   const osteon_tensor_view* const* values, const osteon_tensor_view* const* grads,
                   osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    expect_no_tape(*model);
    model->network.parameters().bind(count, indices, values, grads);
  });
}

/// Nothing is derived from the weights that would outlive a call.
void parameters_changed(osteon_model*, std::uint64_t) {}

osteon_status move(const osteon_call* raw, osteon_model* model, osteon_device device, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    expect_no_tape(*model);
    expect_cpu(device, "the device that the model is to move to");
    model->network.parameters().unbind();
  });
}

osteon_status forward(const osteon_call* raw, osteon_model* model, const osteon_forward_options* given,
                      const osteon_tensor_view* images, std::uint64_t n_outputs, osteon_tensor* const* outputs,
                      osteon_tape** tape, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    // There is one path and one output, so that asking for the plain one or for all changes nothing.
    const osteon_forward_options options =
        osteon::sdk::known(given, "the options of a forward",
                           OSTEON_FORWARD_INPUT_GRADIENT | OSTEON_FORWARD_PLAIN | OSTEON_FORWARD_ALL_OUTPUTS);
    if (options.mode > OSTEON_MODE_TRAINING) throw Unsupported("mode " + std::to_string(options.mode) + " is unknown");
    // TF32 is float32 where there is nothing faster.
    if (options.precision != OSTEON_PRECISION_FLOAT32 && options.precision != OSTEON_PRECISION_TF32)
      throw Unsupported("precision " + std::to_string(options.precision) + " is not offered; float32 is");
    const bool training = options.mode == OSTEON_MODE_TRAINING;
    if (training && !model->network.parameters().is_chosen())
      throw InvalidArgument("training begins with set_trainable, which says what is trained");
    if (training != (tape != nullptr)) throw InvalidArgument("training wants a place for the tape, inference none");
    if (n_outputs != 1) throw InvalidArgument("the model has one output");
    expect_images(*model, *images);

    std::unique_ptr<osteon_tape> kept;
    if (training) {
      kept = std::make_unique<osteon_tape>();
      kept->wants_grad_images = (options.flags & OSTEON_FORWARD_INPUT_GRADIENT) != 0;
    }
    const Planes logits = model->network.forward(call, *images, training ? &kept->network : nullptr);
    copy_out(call, logits, logits.channels()).move_to(outputs[0]);
    if (!training) return;
    ++model->live_tapes;
    *tape = kept.release();
  });
}

osteon_status backward(const osteon_call* raw, osteon_model* model, osteon_tape* tape, std::uint64_t n_outputs,
                       const osteon_tensor_view* const* grad_outputs, osteon_gradient_ready ready, void* user,
                       osteon_tensor* grad_input, osteon_error* error) {
  return walled(error, [&] {
    const Call call(raw);
    if (std::exchange(tape->used, true)) throw InvalidArgument("the tape has been used; it can only be released");
    if (n_outputs != 1) throw InvalidArgument("the model has one output");
    if (grad_input != nullptr && !tape->wants_grad_images)
      throw InvalidArgument("the gradient of the input was not announced by OSTEON_FORWARD_INPUT_GRADIENT");
    const Planes& like = tape->network.features;
    Planes grad_logits(call, like.n(), model->info.n_classes, like.height(), like.width());
    if (grad_outputs[0] != nullptr) {
      expect_floats(*grad_outputs[0], {like.n(), model->info.n_classes, like.height(), like.width()},
                    "the gradient of the output");
      copy_in(call, *grad_outputs[0], grad_logits);
    } else {
      grad_logits.clear();
    }
    const Planes grad = model->network.backward(call, tape->network, grad_logits, grad_input != nullptr,
                                                [&](const Parameter& parameter) {
                                                  if (ready != nullptr) ready(user, parameter.index, nullptr);
                                                });
    if (grad_input != nullptr) copy_out(call, grad, model->info.in_channels).move_to(grad_input);
  });
}

void release_tape(osteon_model* model, osteon_tape* tape) {
  if (tape == nullptr) return;
  delete tape;
  --model->live_tapes;
}

// ---- what the library says of itself ----

constexpr osteon_model_api kApi = {
    sizeof kApi,         0,     &create,  &destroy,  &info,        &tensors, &set_trainable, &bind,
    &parameters_changed, &move, &forward, &backward, &release_tape};
constexpr std::int32_t kDevices[] = {OSTEON_DEVICE_CPU};
constexpr osteon_dtype kDtypes[] = {osteon::sdk::dtype_of<float>()};

osteon_component component() {
  osteon_component c{};
  c.struct_size = sizeof c;
  c.kind = OSTEON_KIND_MODEL;
  c.name = "pocket_unet";
  c.version = "1.0.0";
  c.doc = "A small U-Net on the image and its coordinates whose forward and backward are written by hand.";
  c.reference = "Chaurasia and Culurciello, arXiv:1707.03718; Liu et al., arXiv:1807.03247";
  c.n_params = schema().specs().size();
  c.params = schema().specs().data();
  c.n_devices = std::size(kDevices);
  c.devices = kDevices;
  c.n_dtypes = std::size(kDtypes);
  c.dtypes = kDtypes;
  c.api = &kApi;
  return c;
}

}  // namespace

OSTEON_PLUGIN("pocket_unet", "1.0.0", component())
