// SPDX-License-Identifier: Apache-2.0
#include "exports/legend.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "exports/text.hpp"

namespace osteon::exports {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

cv::Scalar scalar(cv::Vec3b color) { return {double(color[0]), double(color[1]), double(color[2])}; }

/// All measures of a panel follow from its height and the number of lines.
struct Layout {
  Layout(int height, int lines) {
    constexpr double kLeastLine = 18.0;
    margin = std::max(8, height / 48);
    const int usable = height - 2 * margin;
    // Lines shrink before a second column is begun, but never below what can be read at all.
    line = std::clamp(double(usable) / lines, kLeastLine, std::max(kLeastLine, height / 30.0));
    rows = std::max(1, static_cast<int>(usable / line));
    columns = (lines + rows - 1) / rows;
    rows = (lines + columns - 1) / columns;
    scale = line * 0.50 / kCapitalHeight;
    swatch = cvRound(line * 0.62);
  }
  int margin = 0;
  double line = 0.0;
  int rows = 0;
  int columns = 0;
  double scale = 0.0;
  int swatch = 0;
};

}  // namespace

cv::Mat render_legend(const std::vector<LegendEntry>& entries, int height) {
  const Layout layout(height, std::max(1, static_cast<int>(entries.size())));
  int text_width = 0;
  int number_width = 0;
  for (const LegendEntry& entry : entries) {
    text_width = std::max(text_width, width_of(entry.text, layout.scale));
    number_width = std::max(number_width, width_of(std::to_string(entry.number), layout.scale));
  }
  const int gap = layout.swatch / 2;
  const int column = layout.swatch + gap + number_width + gap + text_width + layout.margin;
  cv::Mat panel(height, layout.margin + layout.columns * column, CV_8UC3, kBackground);

  for (std::size_t i = 0; i < entries.size(); ++i) {
    const LegendEntry& entry = entries[i];
    const int row = static_cast<int>(i) % layout.rows;
    const int left = layout.margin + static_cast<int>(i) / layout.rows * column;
    const int middle = layout.margin + cvRound((row + 0.5) * layout.line);
    const cv::Rect box(left, middle - layout.swatch / 2, layout.swatch, layout.swatch);
    cv::rectangle(panel, box, entry.present ? scalar(entry.color) : kDimmed, entry.present ? cv::FILLED : 1);
    const cv::Scalar ink = entry.present ? kText : kDimmed;
    const int baseline = middle + cvRound(layout.scale * kCapitalHeight / 2);
    const std::string number = std::to_string(entry.number);
    const int number_right = left + layout.swatch + gap + number_width;
    write(panel, number, {number_right - width_of(number, layout.scale), baseline}, layout.scale, ink);
    write(panel, entry.text, {number_right + gap, baseline}, layout.scale, ink);
  }
  return panel;
}

void draw_centered(cv::Mat& picture, const std::string& text, cv::Point center, double height, cv::Vec3b color) {
  const double scale = height / kCapitalHeight;
  const int thickness = stroke(scale);
  const cv::Size size = cv::getTextSize(text, kFont, scale, thickness, nullptr);
  const cv::Point origin(center.x - size.width / 2, center.y + cvRound(height / 2));
  const int rim = std::max(2, cvRound(height / 5));
  cv::putText(picture, text, origin, kFont, scale, cv::Scalar(12, 12, 14), thickness + rim, cv::LINE_AA);
  cv::putText(picture, text, origin, kFont, scale, scalar(color), thickness, cv::LINE_AA);
}

std::string to_ascii(const std::string& utf8) {
  std::string text;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 && byte < 0xc0) continue;  // continues a code point
    text += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return text;
}

}  // namespace osteon::exports
