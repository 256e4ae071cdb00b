// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace osteon::data {

/// Which classes the annotations that were read so far name, those that the recipe does not want among them: they are
/// left out. [any-thread]
class ClassTally {
 public:
  /// @param named   of the recipe's classes
  /// @param others  names of classes that are none of these
  void add(const std::string& image, const std::vector<std::uint8_t>& named, const std::vector<std::string>& others);

  /// "'Radius' (12 images), 'Ulna' (1 image)"; empty where there are none.
  std::string others() const;
  /// Those of the recipe's classes that no annotation names, though some were read.
  std::vector<std::string> unseen(const std::vector<std::string>& names) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::set<std::string>> others_;  // images of each
  std::vector<std::uint8_t> seen_;
};

}  // namespace osteon::data
