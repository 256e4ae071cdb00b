// SPDX-License-Identifier: Apache-2.0
// What holds for a library as a whole, whatever it offers.
#include <algorithm>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <set>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <osteon/abi/entry.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf.hpp"
#include "plugin/library.hpp"
#include "plugin/schema_json.hpp"
#include "validate/check.hpp"

extern char** environ;

namespace osteon::validate {
namespace {

namespace fs = std::filesystem;

// The dynamic linker alone: what the host looks at before is checked on its own.
osteon_get_plugin_fn entry_of(const fs::path& file) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail("it cannot be loaded: {}", ::dlerror());
  auto entry = reinterpret_cast<osteon_get_plugin_fn>(::dlsym(library, OSTEON_ENTRY_SYMBOL));
  if (entry == nullptr) fail("it has no function {}", OSTEON_ENTRY_SYMBOL);
  return entry;
}

std::string can_be_read(const Subject& subject) {
  const plugin::ElfFacts facts = plugin::read_elf(subject.file);
  plugin::refuse_by_facts(facts);
  std::string needed;
  for (const std::string& name : facts.needed) needed += (needed.empty() ? "" : ", ") + name;
  return needed.empty() ? "needs no other library" : "needs " + needed;
}

std::string exports_its_entry_alone(const Subject& subject) {
  for (const plugin::DefinedSymbol& symbol : plugin::defined_symbols(subject.file)) {
    expect(!symbol.unique,
           "it has the unique symbol {}, which ties it to every library that has it too; compile with -fno-gnu-unique",
           symbol.name);
    expect(symbol.name == OSTEON_ENTRY_SYMBOL,
           "it shows {} beside {}; hide everything else (-fvisibility=hidden and a version script)", symbol.name,
           OSTEON_ENTRY_SYMBOL);
  }
  return "";
}

// What a process prints while `work` runs.
class Capture {
 public:
  Capture() : file_(::memfd_create("printed", MFD_CLOEXEC)) {
    std::fflush(nullptr);
    for (int i = 0; i < 2; ++i) {
      kept_[i] = ::fcntl(i + 1, F_DUPFD_CLOEXEC, 10);
      ::dup2(file_, i + 1);
    }
  }
  ~Capture() {
    std::fflush(nullptr);
    for (int i = 0; i < 2; ++i) {
      ::dup2(kept_[i], i + 1);
      ::close(kept_[i]);
    }
    ::close(file_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::string text() const {
    std::fflush(nullptr);
    std::string content(4096, '\0');
    const ssize_t n = ::pread(file_, content.data(), content.size(), 0);
    content.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return content;
  }

 private:
  int file_;
  int kept_[2];
};

std::set<std::string> threads() {
  std::set<std::string> ids;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) ids.insert(task.path().filename().string());
  return ids;
}

// Libraries that the plugin needs may start what they like; they are loaded before.
void load_what_it_needs(const fs::path& file) {
  for (const std::string& name : plugin::read_elf(file).needed) ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::string prints_nothing(const Subject& subject) {
  load_what_it_needs(subject.file);
  std::string printed;
  {
    const Capture capture;
    entry_of(subject.file)(OSTEON_ABI_VERSION);
    printed = capture.text();
  }
  expect(printed.empty(), "it printed '{}' while it was loaded", printed.substr(0, 200));
  return "";
}

std::string starts_no_thread(const Subject& subject) {
  load_what_it_needs(subject.file);
  const auto before = threads().size();
  entry_of(subject.file)(OSTEON_ABI_VERSION);
  const auto after = threads().size();
  expect(after <= before, "{} thread(s) run since it was loaded; start them when an instance asks for them",
         after - before);
  return "";
}

struct ProcessState {
  std::set<std::string> environment;
  std::string locale, folder;
  std::vector<void (*)(int)> handlers;
  int rounding = 0;
  unsigned control = 0;

  static ProcessState now() {
    ProcessState state;
    for (char** entry = environ; *entry != nullptr; ++entry) state.environment.insert(*entry);
    state.locale = std::setlocale(LC_ALL, nullptr);
    state.folder = fs::current_path().string();
    for (int signal = 1; signal < 32; ++signal) {
      struct sigaction action {};
      ::sigaction(signal, nullptr, &action);
      state.handlers.push_back(action.sa_handler);
    }
    state.rounding = std::fegetround();
#if defined(__x86_64__)
    state.control = __builtin_ia32_stmxcsr() & 0xffc0u;  // masks, rounding, flush to zero; not the sticky flags
#endif
    return state;
  }
};

std::string leaves_the_process_alone(const Subject& subject) {
  load_what_it_needs(subject.file);
  const ProcessState before = ProcessState::now();
  entry_of(subject.file)(OSTEON_ABI_VERSION);
  const ProcessState after = ProcessState::now();
  for (const std::string& entry : after.environment)
    expect(before.environment.count(entry) != 0, "it changed the environment: {}", entry);
  expect(before.environment == after.environment, "it took something out of the environment");
  expect(before.locale == after.locale, "it changed the locale from {} to {}", before.locale, after.locale);
  expect(before.folder == after.folder, "it changed the current folder to {}", after.folder);
  for (std::size_t i = 0; i < before.handlers.size(); ++i)
    expect(before.handlers[i] == after.handlers[i], "it put a handler on the signal '{}'",
           ::strsignal(static_cast<int>(i) + 1));
  expect(before.rounding == after.rounding && before.control == after.control,
         "it changed how this thread calculates (rounding, denormals, or traps); -ffast-math at the link does that");
  return "";
}

std::string describes_itself(const Subject& subject) {
  const osteon_get_plugin_fn entry = entry_of(subject.file);
  const osteon_plugin* first = entry(OSTEON_ABI_VERSION);
  expect(first != nullptr, "{} gave NULL to a host of its own ABI", OSTEON_ENTRY_SYMBOL);
  const plugin::LibraryDescription description = plugin::describe(*first);
  for (const plugin::SkippedComponent& skipped : description.skipped)
    fail("'{}' is newer than the host that asked, {}: {}; leave it out of what such a host gets", skipped.name,
         plugin::abi_text(OSTEON_ABI_VERSION), skipped.reason);
  const plugin::ElfFacts facts = plugin::read_elf(subject.file);
  if (facts.note) plugin::refuse_by_disagreement(facts, description);  // that there is none, can-be-read says
  return fmt::format("{} {}, {} component(s)", description.name, description.version, description.components.size());
}

void expect_constant(osteon_get_plugin_fn entry, std::uint32_t abi, int rounds) {
  const osteon_plugin* first = entry(abi);
  for (int i = 0; i < rounds; ++i)
    expect(entry(abi) == first, "{} gave a host of ABI {} another pointer when it was called again",
           OSTEON_ENTRY_SYMBOL, plugin::abi_text(abi));
}

std::string entry_is_constant(const Subject& subject) {
  expect_constant(entry_of(subject.file), OSTEON_ABI_VERSION, 100);
  return "";
}

// What a host of an ABI gets; 0: nothing.
std::uint32_t version_for(osteon_get_plugin_fn entry, std::uint32_t abi) {
  const osteon_plugin* description = entry(abi);
  if (description == nullptr) return 0;  // it says that it cannot serve such a host
  expect(description->struct_size >= 8, "its description for ABI {} has no size", plugin::abi_text(abi));
  expect(description->abi_version <= abi, "its description for a host of ABI {} claims ABI {}, which is newer",
         plugin::abi_text(abi), plugin::abi_text(description->abi_version));
  return description->abi_version;
}

std::string bears_other_hosts(const Subject& subject) {
  constexpr std::uint32_t kMajor = std::uint32_t{OSTEON_ABI_MAJOR} << 16;
  const osteon_get_plugin_fn entry = entry_of(subject.file);
  // The newest of this major number gets whatever the library has.
  const std::uint32_t own = version_for(entry, kMajor | 0xffff);
  std::string served;
  for (const std::uint32_t abi : {0u, 1u, kMajor | OSTEON_ABI_OLDEST_MINOR, OSTEON_ABI_VERSION, OSTEON_ABI_VERSION + 1,
                                  kMajor | 0xffff, kMajor + (1u << 16), UINT32_MAX}) {
    expect_constant(entry, abi, 3);
    const std::uint32_t version = version_for(entry, abi);
    if (version == 0) continue;
    served += (served.empty() ? "" : ", ") + plugin::abi_text(abi);
    if (abi >> 16 == OSTEON_ABI_MAJOR && own != 0)
      expect(version == std::min(abi, own), "its description for a host of ABI {} claims ABI {}, expected {}",
             plugin::abi_text(abi), plugin::abi_text(version), plugin::abi_text(std::min(abi, own)));
  }
  return "serves hosts of ABI " + served;
}

// Registrations with the process (TORCH_LIBRARY and the like) collide when they come twice.
std::string loads_twice(const Subject& subject) {
  std::string name = (fs::temp_directory_path() / "osteon-validate-XXXXXX").string();
  expect(::mkdtemp(name.data()) != nullptr, "no temporary folder: {}", std::strerror(errno));
  const fs::path copy = fs::path(name) / "another-name.so";
  fs::copy_file(subject.file, copy);
  const auto describe = [](const fs::path& file) {
    nlohmann::json all = nlohmann::json::array();
    for (const auto& component : plugin::describe(*entry_of(file)(OSTEON_ABI_VERSION)).components)
      all.push_back(plugin::to_json(component));
    return all;
  };
  const nlohmann::json first = describe(subject.file), second = describe(copy);
  fs::remove_all(name);
  expect(first == second, "loaded a second time under another name, it describes itself otherwise");
  return "";
}

}  // namespace

const std::vector<Check>& library_checks() {
  static const std::vector<Check> checks = {
      {"can-be-read", "before any code runs: note, ABI, LibTorch, entry, no private copies of shared libraries",
       can_be_read},
      {"exports-its-entry-alone", "no symbol but the entry is visible, and none is unique", exports_its_entry_alone},
      {"describes-itself", "the description is well-formed, of nothing newer than its host, and the note says the same",
       describes_itself},
      {"entry-is-constant", "the entry gives the same pointer every time", entry_is_constant},
      {"bears-other-hosts",
       "a host of another ABI gets NULL, or always the same description, of nothing newer than itself",
       bears_other_hosts},
      {"prints-nothing", "loading prints nothing", prints_nothing},
      {"starts-no-thread", "loading starts no thread", starts_no_thread},
      {"leaves-the-process-alone",
       "loading changes neither environment, locale, folder, signal handlers nor floating-point control",
       leaves_the_process_alone},
      {"loads-twice", "two copies under two names live in one process", loads_twice}};
  return checks;
}

}  // namespace osteon::validate
