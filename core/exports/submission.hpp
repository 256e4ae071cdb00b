// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/csv.hpp"
#include "data/labels.hpp"

// The competition's CSV: header `image_name,class,rle`, then for each image, in order, a line for each class, in order.
namespace osteon::exports {

/// Writes a submission image by image, keeping none. For one thread at a time.
class SubmissionWriter {
 public:
  /// Opens a temporary file beside `path`, whose missing parent folders it creates. Throws Error(kResources).
  SubmissionWriter(std::filesystem::path path, std::vector<std::string> class_names);
  /// Removes what was written unless finish() was called.
  ~SubmissionWriter();
  SubmissionWriter(const SubmissionWriter&) = delete;
  SubmissionWriter& operator=(const SubmissionWriter&) = delete;

  /// Appends the lines of one image. Throws Error(kData) if the labels have another number of classes,
  /// Error(kResources) if the disk does.
  void add(const std::string& image_name, const data::Labels& labels);
  /// Appends the lines of one image whose runs are known, one text per class.
  void add(const std::string& image_name, const std::vector<std::string>& runs);
  /// Flushes to disk and renames over `path`: readers see all of it or nothing. Nothing may be added after.
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  void write(const std::string& text);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::vector<std::string> class_names_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// One line of a submission.
struct SubmissionRow {
  std::string image_name;
  std::string class_name;
  std::string rle;
};

/// Reads a submission line by line. The runs are not looked at; decode_rle does.
class SubmissionReader {
 public:
  /// Throws Error(kData) if the file cannot be opened or its header is another.
  explicit SubmissionReader(const std::filesystem::path& path);

  /// False at the end. Throws Error(kData), where = "path:line", for a line that has not three fields.
  bool next(SubmissionRow& row);
  /// "path:line" of the last row.
  std::string where() const { return reader_.where(); }

 private:
  CsvReader reader_;
  std::vector<std::string> fields_;
};

}  // namespace osteon::exports
