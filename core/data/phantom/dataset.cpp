// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <exception>
#include <fstream>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/phantom/annotation.hpp"
#include "data/phantom/phantom.hpp"
#include "data/phantom/random.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFinished = "phantom.json";
constexpr const char* kUnfinished = "phantom.unfinished";  ///< there from the first write until the last

/// Where one image of the data set goes.
struct Item {
  int patient;
  bool right;
  std::string part;    ///< "train" or "test"
  std::string folder;  ///< "ID001"
  std::string stem;    ///< "image1661000000000_R"
};

Item item_of(const PhantomOptions& options, int patient, bool right) {
  phantom::Random random(options.seed, {static_cast<std::uint64_t>(patient), 60u + right});
  const long long number = 1660000000000LL + patient * 100000LL + (right ? 0 : 50000) + random.below(50000);
  return {patient, right, patient < options.patients ? "train" : "test", fmt::format("ID{:03d}", patient + 1),
          fmt::format("image{}_{}", number, right ? 'R' : 'L')};
}

void write_plainly(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ExitCode::kResources, "cannot write the file; is the disk full?", path.string());
}

void write_item(const PhantomOptions& options, const Item& item, const fs::path& out) {
  const PhantomHand hand = render_phantom(options, item.patient, item.right);
  const fs::path image = out / item.part / "DCM" / item.folder / (item.stem + ".png");
  const fs::path truth = out / item.part / "outputs_json" / item.folder / (item.stem + ".json");
  bool written = false;
  try {
    written = cv::imwrite(image.string(), hand.image);
  } catch (const cv::Exception&) {
    // Reported below: what OpenCV says names its own source, not the reason.
  }
  if (!written) throw Error(ExitCode::kResources, "cannot write the image; is the disk full?", image.string());
  phantom::Random random(options.seed, {static_cast<std::uint64_t>(item.patient), 70u + item.right});
  write_plainly(truth, phantom::annotation_json(hand, item.stem, item.folder, random.bits()));
}

std::string meta_data(const PhantomOptions& options) {
  std::string text = "id,part,age,ring,bent\n";
  for (int p = 0; p < options.patients + options.test_patients; ++p) {
    const PhantomPatient facts = phantom_patient(options, p);
    const Item item = item_of(options, p, true);
    text += fmt::format("{},{},{:.3f},{:d},{:d}\n", item.folder, item.part, facts.age, facts.ring, facts.bent);
  }
  return text;
}

std::string description(const PhantomOptions& options) {
  nlohmann::ordered_json patients = nlohmann::ordered_json::array();
  for (int p = 0; p < options.patients + options.test_patients; ++p) {
    const PhantomPatient facts = phantom_patient(options, p);
    const Item item = item_of(options, p, true);
    patients.push_back(
        {{"id", item.folder}, {"part", item.part}, {"ring", facts.ring}, {"bent", facts.bent}, {"age", facts.age}});
  }
  const nlohmann::ordered_json document = {{"phantom", 1},
                                           {"options",
                                            {{"patients", options.patients},
                                             {"test_patients", options.test_patients},
                                             {"size", options.size},
                                             {"seed", options.seed},
                                             {"ring_fraction", options.ring_fraction},
                                             {"bent_fraction", options.bent_fraction}}},
                                           {"classes", phantom_classes()},
                                           {"patients", std::move(patients)}};
  return document.dump(2) + "\n";
}

/// Makes `out` a folder marked as unfinished and free of an earlier phantom, or refuses.
void prepare_folder(const fs::path& out, bool overwrite) {
  if (fs::exists(out) && !fs::is_directory(out)) {
    throw Error(ExitCode::kUsage, "is a file; name a new or empty folder for the phantom", out.string());
  }
  if (fs::exists(out) && !fs::is_empty(out)) {
    const bool finished = fs::exists(out / kFinished), unfinished = fs::exists(out / kUnfinished);
    if (!finished && !unfinished) {
      throw Error(ExitCode::kUsage, "holds files that no phantom wrote; name a new or empty folder", out.string());
    }
    if (!overwrite) {
      throw Error(ExitCode::kUsage,
                  std::string(finished ? "holds a phantom already" : "holds a phantom that was interrupted") +
                      "; name another folder, or overwrite it",
                  out.string());
    }
  }
  fs::create_directories(out);
  write_file_atomically(out / kUnfinished, "This phantom is being written, or its writing was interrupted.\n");
  for (const char* old : {kFinished, "meta_data.csv", "train", "test"}) fs::remove_all(out / old);
}

/// Hands items to threads one by one; the first failure stops all and is thrown here.
void write_items(const PhantomOptions& options, const std::vector<Item>& items, const fs::path& out,
                 const std::function<void(int, int)>& progress, int threads) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards done, failure and calls of progress
  int done = 0;
  std::exception_ptr failure;
  auto work = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      try {
        write_item(options, items[i], out);
        const std::lock_guard lock(mutex);
        if (failure) return;
        ++done;
        if (progress) progress(done, static_cast<int>(items.size()));
      } catch (...) {
        next = items.size();
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void write_phantom(const PhantomOptions& options, const fs::path& out, const std::function<void(int, int)>& progress,
                   int threads, bool overwrite) {
  options.check();
  if (threads < 1) {
    throw Error(ExitCode::kUsage, "phantom: threads is " + std::to_string(threads) + "; it must be 1 or more");
  }
  std::vector<Item> items;
  for (int patient = 0; patient < options.patients + options.test_patients; ++patient) {
    for (const bool right : {true, false}) items.push_back(item_of(options, patient, right));
  }
  try {
    prepare_folder(out, overwrite);
    for (const Item& item : items) {
      fs::create_directories(out / item.part / "DCM" / item.folder);
      fs::create_directories(out / item.part / "outputs_json" / item.folder);
    }
    write_items(options, items, out, progress, threads);
    write_plainly(out / "meta_data.csv", meta_data(options));
    write_file_atomically(out / kFinished, description(options));
    fs::remove(out / kUnfinished);
  } catch (const fs::filesystem_error& e) {
    throw Error(ExitCode::kResources, "cannot write the phantom: " + e.code().message(), e.path1().string());
  }
}

}  // namespace osteon::data
