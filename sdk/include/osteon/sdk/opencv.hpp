// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <opencv2/core.hpp>

#include <osteon/abi/predictor.h>
#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/tensor.hpp>

/// OpenCV in every kind of plugin: headers over the ABI's memory. Writing to one writes there; none may outlive it.
namespace osteon::sdk {

/// OpenCV's depth for an element type. Throws Unsupported for one that it does not have.
inline int depth_of(osteon_dtype type) {
  if (type == dtype_of<std::uint8_t>()) return CV_8U;
  if (type == dtype_of<std::uint16_t>()) return CV_16U;
  if (type == dtype_of<std::int32_t>()) return CV_32S;
  if (type == dtype_of<float>()) return CV_32F;
  if (type == dtype_of<double>()) return CV_64F;
  throw Unsupported("OpenCV has no matrix of " + to_string(type));
}

/// A matrix over a view on the CPU: [H, W], or [H, W, C] with up to CV_CN_MAX channels.
inline cv::Mat as_mat(const osteon_tensor_view& view) {
  if (view.ndim != 2 && view.ndim != 3)
    throw InvalidArgument("a matrix is [H, W] or [H, W, C], not " + shape_text(view));
  expect_canonical(view, "a matrix");
  if (view.device.type != OSTEON_DEVICE_CPU) throw Unsupported("a matrix is on the CPU");
  const std::int64_t channels = view.ndim == 3 ? view.shape[2] : 1;
  if (channels < 1 || channels > CV_CN_MAX)
    throw Unsupported("OpenCV has no matrix of " + std::to_string(channels) + " channels");
  return cv::Mat(static_cast<int>(view.shape[0]), static_cast<int>(view.shape[1]),
                 CV_MAKETYPE(depth_of(view.dtype), static_cast<int>(channels)), view.data);
}

/// A matrix over plane `index` of [K, H, W]: one class of a prediction, one bit plane.
inline cv::Mat plane_mat(const osteon_tensor_view& view, std::int64_t index) {
  expect_canonical(view, "planes");
  if (view.ndim != 3 || index < 0 || index >= view.shape[0])
    throw InvalidArgument("planes " + shape_text(view) + " have no plane " + std::to_string(index));
  osteon_tensor_view plane = view;
  --plane.ndim;
  ++plane.shape;
  ++plane.strides;
  plane.data = static_cast<char*>(view.data) + index * view.shape[1] * view.shape[2] * (view.dtype.bits / 8);
  return as_mat(plane);
}

/// An augmentation's image, H x W x C.
inline cv::Mat as_mat(const Pixels& pixels) { return as_mat(pixels.view()); }

/// An image of a predictor, H x W x C of float32, to be read alone.
inline const cv::Mat as_mat(const osteon_image& image) { return as_mat(image.pixels); }

/// Runs `work`. OpenCV's functions in it use all of OpenCV's threads where the call grants as many, else the one that
/// they are called on. Stops before and after, where the caller wants it to.
template <class Work>
void run_opencv(const Call& call, Work&& work) {
  call.stop_if_cancelled();
  // Within a parallel section OpenCV's own loops run on the thread that they are in.
  if (call.threads() < cv::getNumThreads())
    cv::parallel_for_(cv::Range(0, 1), [&](const cv::Range&) { work(); });
  else
    work();
  call.stop_if_cancelled();
}

}  // namespace osteon::sdk
