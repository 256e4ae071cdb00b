// SPDX-License-Identifier: Apache-2.0
#include "exports/contact_sheet.hpp"

#include <algorithm>

#include "exports/text.hpp"

namespace osteon::exports {
namespace {

constexpr double kLetters = 0.45;  // scale of the font: capitals of 9 px
constexpr int kLine = 17;          // from baseline to baseline, px
constexpr int kGap = 12;           // around tiles, px
constexpr int kLeastWidth = 256;   // of a tile's caption, px
constexpr int kLegendHeight = 200;

/// Lines of a caption, as they are written.
struct WrittenLine {
  std::string text;
  bool title;
};

std::vector<WrittenLine> written_lines(const std::vector<std::string>& caption, int width) {
  std::vector<WrittenLine> lines;
  for (std::size_t i = 0; i < caption.size(); ++i)
    for (std::string& line : wrapped(to_ascii(caption[i]), kLetters, width)) lines.push_back({std::move(line), i == 0});
  return lines;
}

void write_lines(cv::Mat& picture, const std::vector<WrittenLine>& lines, cv::Point top_left) {
  for (std::size_t i = 0; i < lines.size(); ++i)
    write(picture, lines[i].text, top_left + cv::Point(0, (static_cast<int>(i) + 1) * kLine), kLetters,
          lines[i].title ? kText : kQuiet);
}

}  // namespace

ContactSheet render_contact_sheet(const std::string& heading, const std::vector<SheetTile>& tiles, int columns,
                                  const std::vector<LegendEntry>& legend) {
  const cv::Size size = tiles.front().picture.size();
  const int width = std::max(size.width, kLeastWidth);
  std::vector<std::vector<WrittenLine>> captions;
  for (const SheetTile& tile : tiles) captions.push_back(written_lines(tile.caption, width));
  columns = std::min(columns, static_cast<int>(tiles.size()));
  const int sheet_width = kGap + columns * (width + kGap);
  const std::vector<WrittenLine> head = written_lines({heading}, sheet_width - 2 * kGap);

  // Where the rows begin.
  std::vector<int> tops;
  int y = kGap + static_cast<int>(head.size()) * kLine + kGap;
  for (std::size_t first = 0; first < tiles.size(); first += static_cast<std::size_t>(columns)) {
    tops.push_back(y);
    std::size_t lines = 0;
    for (std::size_t i = first; i < std::min(first + static_cast<std::size_t>(columns), tiles.size()); ++i)
      lines = std::max(lines, captions[i].size());
    y += size.height + static_cast<int>(lines) * kLine + kGap + kGap;
  }

  ContactSheet sheet;
  sheet.picture = cv::Mat(legend.empty() ? y : std::max(y, kLegendHeight), sheet_width, CV_8UC3, kBackground);
  write_lines(sheet.picture, head, {kGap, kGap / 2});
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const int column = static_cast<int>(i) % columns;
    const cv::Point at(kGap + column * (width + kGap), tops[i / static_cast<std::size_t>(columns)]);
    sheet.tiles.emplace_back(at, size);
    tiles[i].picture.copyTo(sheet.picture(sheet.tiles.back()));
    write_lines(sheet.picture, captions[i], at + cv::Point(0, size.height));
  }
  if (!legend.empty()) cv::hconcat(sheet.picture, render_legend(legend, sheet.picture.rows), sheet.picture);
  return sheet;
}

}  // namespace osteon::exports
