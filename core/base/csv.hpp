// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

// Comma-separated values after RFC 4180: fields with commas, quotes or line breaks are quoted, quotes doubled.
namespace osteon {

/// A field as it stands in a file: quoted where it must be.
std::string csv_field(std::string_view text);

/// Reads a file record by record. Lines end in LF or CRLF; a byte order mark at the start is passed over.
class CsvReader {
 public:
  /// Throws Error(kData) if the file cannot be opened.
  explicit CsvReader(std::filesystem::path path);

  /// Reads the next record; false at the end of the file. Throws Error(kData), where = "path:line", for a quote inside
  /// an unquoted field, text after a closing quote, or a quote that is never closed.
  bool next(std::vector<std::string>& fields);

  /// "path:line" of the record that next() read last; a message about its content points there.
  std::string where() const;

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  std::size_t line_ = 0;    ///< on which the last record began, from 1
  std::size_t breaks_ = 0;  ///< line breaks read so far
};

}  // namespace osteon
