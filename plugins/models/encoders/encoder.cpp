// SPDX-License-Identifier: Apache-2.0
#include "encoder.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "basic.hpp"
#include "efficientnet.hpp"
#include "resnet.hpp"

namespace osteon::encoders {

namespace {

constexpr char kBasic[] = "basic";

}  // namespace

EncoderImpl::EncoderImpl(const EncoderOptions& options)
    : size_multiple_(options.output_stride), checkpointing_(options.checkpointing) {
  if (options.output_stride != 8 && options.output_stride != 16 && options.output_stride != 32)
    throw std::invalid_argument("an encoder's output stride is 8, 16 or 32, not " +
                                std::to_string(options.output_stride));
}

sdk::TensorTraits with_depth(const EncoderImpl& encoder, const std::string& name, sdk::TensorTraits usual) {
  static const std::string kPrefix = "encoder.";
  if (layers::begins_with(name, kPrefix)) usual.depth = encoder.stage_of(name.substr(kPrefix.size()));
  return usual;
}

std::int64_t scaled(std::int64_t channels, double width) {
  return std::max<std::int64_t>(8, std::llround(static_cast<double>(channels) * width / 8) * 8);
}

Encoder make_encoder(const std::string& name, const EncoderOptions& options) {
  if (const auto variant = resnet(name)) return std::make_shared<ResNetEncoderImpl>(*variant, options);
  if (const auto variant = efficientnet(name)) return std::make_shared<EfficientNetEncoderImpl>(*variant, options);
  if (name == kBasic) return std::make_shared<BasicEncoderImpl>(options);
  throw std::invalid_argument("no encoder is called '" + name + "'");
}

const std::vector<std::string>& encoder_names() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>(resnet_names());
    list->insert(list->end(), efficientnet_names().begin(), efficientnet_names().end());
    list->emplace_back(kBasic);
    return list;
  }();
  return *names;
}

}  // namespace osteon::encoders
