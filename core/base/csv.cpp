// SPDX-License-Identifier: Apache-2.0
#include "base/csv.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace osteon {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

CsvReader::CsvReader(std::filesystem::path path) : path_(std::move(path)), file_(path_, std::ios::binary) {
  if (!file_ || std::filesystem::is_directory(path_))
    throw Error(ExitCode::kData, std::string("cannot open the file: ") + std::strerror(file_ ? EISDIR : errno),
                path_.string());
  char mark[3] = {};
  file_.read(mark, 3);
  if (file_.gcount() != 3 || std::memcmp(mark, "\xef\xbb\xbf", 3) != 0) {
    file_.clear();
    file_.seekg(0);
  }
}

bool CsvReader::next(std::vector<std::string>& fields) {
  std::string line;
  if (!std::getline(file_, line)) return false;
  line_ = ++breaks_;
  fields.assign(1, {});
  bool quoted = false;  // inside quotes
  bool closed = false;  // after the quote that ends a field
  for (std::size_t i = 0;; ++i) {
    if (i == line.size()) {
      if (!quoted) return true;
      fields.back() += '\n';
      if (!std::getline(file_, line)) throw Error(ExitCode::kData, "a quoted field is never closed", where());
      ++breaks_;
      i = static_cast<std::size_t>(-1);
      continue;
    }
    const char c = line[i];
    const bool doubled = c == '"' && i + 1 < line.size() && line[i + 1] == '"';
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (doubled) {
        fields.back() += '"';
        ++i;
      } else {
        quoted = false;
        closed = true;
      }
    } else if (c == ',') {
      fields.emplace_back();
      closed = false;
    } else if (c == '\r' && i + 1 == line.size()) {
      return true;
    } else if (closed) {
      throw Error(ExitCode::kData, "there is text after the closing quote of a field", where());
    } else if (c == '"') {
      if (!fields.back().empty()) throw Error(ExitCode::kData, "there is a quote inside an unquoted field", where());
      quoted = true;
    } else {
      fields.back() += c;
    }
  }
}

std::string CsvReader::where() const { return path_.string() + ":" + std::to_string(line_); }

}  // namespace osteon
