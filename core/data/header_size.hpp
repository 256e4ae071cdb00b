// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <opencv2/core.hpp>

// Width and height as the headers of image files say, whose formats are known already. Nothing where a header is cut or
// none: the decoder then says what is wrong.
namespace osteon::data {

std::optional<cv::Size> bmp_size(std::string_view bytes);
std::optional<cv::Size> webp_size(std::string_view bytes);
std::optional<cv::Size> pnm_size(std::string_view bytes);
std::optional<cv::Size> jpeg2000_size(std::string_view bytes);

/// How many bytes a file has at least when nothing of it is cut off; 0 where its header does not tell.
std::uint64_t bmp_bytes(std::string_view bytes);
std::uint64_t webp_bytes(std::string_view bytes);
std::uint64_t pnm_bytes(std::string_view bytes);

}  // namespace osteon::data
