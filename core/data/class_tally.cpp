// SPDX-License-Identifier: Apache-2.0
#include "data/class_tally.hpp"

namespace osteon::data {

void ClassTally::add(const std::string& image, const std::vector<std::uint8_t>& named,
                     const std::vector<std::string>& others) {
  const std::lock_guard<std::mutex> lock(mutex_);
  seen_.resize(named.size(), 0);
  for (std::size_t c = 0; c < named.size(); ++c) seen_[c] |= named[c];
  for (const std::string& name : others) others_[name].insert(image);
}

std::string ClassTally::others() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string text;
  for (const auto& [name, images] : others_)
    text += (text.empty() ? "'" : ", '") + name + "' (" + std::to_string(images.size()) +
            (images.size() == 1 ? " image)" : " images)");
  return text;
}

std::vector<std::string> ClassTally::unseen(const std::vector<std::string>& names) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> unseen;
  for (std::size_t c = 0; c < seen_.size() && c < names.size(); ++c)
    if (seen_[c] == 0) unseen.push_back(names[c]);
  return unseen;
}

}  // namespace osteon::data
