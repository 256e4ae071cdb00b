// SPDX-License-Identifier: Apache-2.0
#include "exports/submission.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "exports/rle.hpp"

namespace osteon::exports {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHeader = "image_name,class,rle\n";

}  // namespace

SubmissionWriter::SubmissionWriter(fs::path path, std::vector<std::string> class_names)
    : path_(std::move(path)), class_names_(std::move(class_names)) {
  if (path_.has_parent_path()) {
    std::error_code failure;
    fs::create_directories(path_.parent_path(), failure);
    if (failure)
      throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), path_.parent_path().string());
  }
  temporary_ = path_;
  temporary_.replace_filename("." + path_.filename().string() + "." + std::to_string(::getpid()) + ".part");
  file_.reset(std::fopen(temporary_.c_str(), "wbe"));
  if (!file_)
    throw Error(ExitCode::kResources, std::string("cannot create the file: ") + std::strerror(errno),
                temporary_.string());
  write(kHeader);
}

SubmissionWriter::~SubmissionWriter() {
  if (!file_) return;
  file_.reset();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void SubmissionWriter::add(const std::string& image_name, const data::Labels& labels) {
  add(image_name, encode_rle(labels));
}

void SubmissionWriter::add(const std::string& image_name, const std::vector<std::string>& runs) {
  if (!file_) throw Error(ExitCode::kResources, "the submission is already finished", path_.string());
  if (runs.size() != class_names_.size())
    throw Error(ExitCode::kData,
                "has masks of " + std::to_string(runs.size()) + " classes, but the submission has " +
                    std::to_string(class_names_.size()),
                image_name);
  const std::string name = csv_field(image_name);
  for (std::size_t c = 0; c < runs.size(); ++c) write(name + ',' + csv_field(class_names_[c]) + ',' + runs[c] + '\n');
}

void SubmissionWriter::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size())
    throw Error(ExitCode::kResources, std::string("cannot write the file: ") + std::strerror(errno), path_.string());
}

void SubmissionWriter::finish() {
  if (!file_) throw Error(ExitCode::kResources, "the submission is already finished", path_.string());
  if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0)
    throw Error(ExitCode::kResources, std::string("cannot flush the file to disk: ") + std::strerror(errno),
                path_.string());
  std::error_code failure;
  fs::rename(temporary_, path_, failure);
  if (failure)
    throw Error(ExitCode::kResources, "cannot rename the finished file: " + failure.message(), path_.string());
  file_.reset();
}

SubmissionReader::SubmissionReader(const fs::path& path) : reader_(path) {
  if (!reader_.next(fields_) || fields_ != std::vector<std::string>{"image_name", "class", "rle"})
    throw Error(ExitCode::kData, "is no submission: the first line must be image_name,class,rle", path.string());
}

bool SubmissionReader::next(SubmissionRow& row) {
  if (!reader_.next(fields_)) return false;
  if (fields_.size() != 3)
    throw Error(ExitCode::kData, "has " + std::to_string(fields_.size()) + " fields instead of image_name, class, rle",
                reader_.where());
  row = {std::move(fields_[0]), std::move(fields_[1]), std::move(fields_[2])};
  return true;
}

}  // namespace osteon::exports
