// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <regex>
#include <set>

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <osteon/abi/entry.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "plugin/descriptor.hpp"

#ifndef OSTEON_LIBTORCH_VERSION
#define OSTEON_LIBTORCH_VERSION ""
#endif

namespace osteon::plugin {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ExitCode::kPlugin, why); }

class File {
 public:
  explicit File(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) refuse("cannot be opened: " + std::string(std::strerror(errno)));
    elf_version(EV_CURRENT);
    elf_ = elf_begin(descriptor_, ELF_C_READ, nullptr);
  }
  ~File() {
    if (elf_ != nullptr) elf_end(elf_);
    ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  Elf* get() const { return elf_; }

 private:
  int descriptor_;
  Elf* elf_ = nullptr;
};

void check_header(Elf* elf) {
  GElf_Ehdr header;
  if (elf == nullptr || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == nullptr)
    refuse("is no shared library (not an ELF file)");
  if (header.e_type != ET_DYN) refuse("is no shared library");
#if defined(__x86_64__)
  if (header.e_machine != EM_X86_64) refuse("is built for another processor");
#elif defined(__aarch64__)
  if (header.e_machine != EM_AARCH64) refuse("is built for another processor");
#endif
  std::size_t size = 0;
  elf_rawfile(elf, &size);
  if (header.e_shoff > size || header.e_shoff + std::uint64_t{header.e_shentsize} * header.e_shnum > size)
    refuse("is cut off: its section table lies beyond its end");
}

void read_notes(Elf_Data* data, ElfFacts& facts) {
  GElf_Nhdr note;
  std::size_t name = 0, descriptor = 0;
  for (std::size_t offset = 0; (offset = gelf_getnote(data, offset, &note, &name, &descriptor)) > 0;) {
    const char* bytes = static_cast<const char*>(data->d_buf);
    if (note.n_type == OSTEON_NOTE_TYPE && note.n_namesz == sizeof OSTEON_NOTE_NAME &&
        std::memcmp(bytes + name, OSTEON_NOTE_NAME, sizeof OSTEON_NOTE_NAME) == 0)
      facts.note = std::string(bytes + descriptor, note.n_descsz);
  }
}

// To the dynamic linker an empty part is the current folder, while a text that is empty as a whole is nothing.
void add_run_paths(const std::string& paths, ElfFacts& facts) {
  for (std::size_t start = 0; !paths.empty() && start <= paths.size();) {
    const std::size_t end = std::min(paths.find(':', start), paths.size());
    facts.run_paths.push_back(paths.substr(start, end - start));
    start = end + 1;
  }
}

void read_dynamic(Elf* elf, const GElf_Shdr& section, Elf_Data* data, ElfFacts& facts) {
  const std::size_t count = section.sh_entsize > 0 ? section.sh_size / section.sh_entsize : 0;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Dyn entry;
    if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr) break;
    const bool library = entry.d_tag == DT_NEEDED || entry.d_tag == DT_FILTER || entry.d_tag == DT_AUXILIARY;
    if (!library && entry.d_tag != DT_RPATH && entry.d_tag != DT_RUNPATH) continue;
    const char* text = elf_strptr(elf, section.sh_link, entry.d_un.d_val);
    if (text == nullptr) refuse("is damaged: a name in its dynamic section lies outside");
    if (library)
      facts.needed.emplace_back(text);
    else
      add_run_paths(text, facts);
  }
}

void read_symbols(Elf* elf, const GElf_Shdr& section, Elf_Data* data, std::vector<DefinedSymbol>& symbols) {
  const std::size_t count = section.sh_entsize > 0 ? section.sh_size / section.sh_entsize : 0;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
    const auto binding = GELF_ST_BIND(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || binding == STB_LOCAL || GELF_ST_TYPE(symbol.st_info) == STT_SECTION) continue;
    const char* name = elf_strptr(elf, section.sh_link, symbol.st_name);
    if (name == nullptr) refuse("is damaged: the name of a symbol lies outside");
    symbols.push_back({name, binding == STB_GNU_UNIQUE});
  }
}

// Calls `take(header, data)` for every section of one of these types.
template <class Take>
void for_sections(const File& file, std::initializer_list<GElf_Word> types, Take&& take) {
  check_header(file.get());
  Elf_Scn* section = nullptr;
  while ((section = elf_nextscn(file.get(), section)) != nullptr) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) refuse("is damaged: a section has no header");
    if (std::find(types.begin(), types.end(), header.sh_type) == types.end()) continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr || (data->d_buf == nullptr && data->d_size > 0))
      refuse("is cut off or damaged: a section cannot be read");
    take(header, data);
  }
}

std::string component_text(const nlohmann::json& component) {
  return component.at("kind").get<std::string>() + " '" + component.at("name").get<std::string>() + "'";
}

nlohmann::json parse_note(const std::string& text) {
  try {
    nlohmann::json note = parse_json(text, "");
    note.at("abi").at(0).get<std::uint32_t>();
    note.at("abi").at(1).get<std::uint32_t>();
    note.at("libtorch").get<std::string>();
    for (const nlohmann::json& component : note.at("components")) component_text(component);
    return note;
  } catch (const std::exception& e) {
    refuse(std::string("its note is damaged: ") + e.what());
  }
}

}  // namespace

ElfFacts read_elf(const std::filesystem::path& path) {
  const File file(path);
  ElfFacts facts;
  for_sections(file, {SHT_NOTE, SHT_DYNAMIC, SHT_DYNSYM}, [&](const GElf_Shdr& header, Elf_Data* data) {
    if (header.sh_type == SHT_NOTE) read_notes(data, facts);
    if (header.sh_type == SHT_DYNAMIC) read_dynamic(file.get(), header, data, facts);
    if (header.sh_type == SHT_DYNSYM) {
      std::vector<DefinedSymbol> symbols;
      read_symbols(file.get(), header, data, symbols);
      for (const DefinedSymbol& symbol : symbols)
        facts.has_entry = facts.has_entry || symbol.name == OSTEON_ENTRY_SYMBOL;
    }
  });
  return facts;
}

std::vector<std::string> components_of(const ElfFacts& facts) {
  std::vector<std::string> names;
  if (!facts.note) return names;
  try {
    const nlohmann::json note = parse_note(*facts.note);
    for (const nlohmann::json& component : note.at("components")) names.push_back(component.at("name"));
  } catch (const Error&) {
    names.clear();
  }
  return names;
}

std::vector<DefinedSymbol> defined_symbols(const std::filesystem::path& path) {
  const File file(path);
  std::vector<DefinedSymbol> symbols;
  for_sections(file, {SHT_DYNSYM},
               [&](const GElf_Shdr& header, Elf_Data* data) { read_symbols(file.get(), header, data, symbols); });
  return symbols;
}

void refuse_by_facts(const ElfFacts& facts) {
  if (!facts.has_entry) refuse("has no entry: it does not define " OSTEON_ENTRY_SYMBOL);
  if (!facts.note) refuse("has no note that says what it is; build it with osteon_add_plugin");
  const nlohmann::json note = parse_note(*facts.note);
  const std::uint32_t abi =
      (note.at("abi").at(0).get<std::uint32_t>() << 16) | (note.at("abi").at(1).get<std::uint32_t>() & 0xffff);
  if (const std::string why = abi_refusal(abi); !why.empty()) refuse(why);
  const std::string libtorch = note.at("libtorch");
  if (!libtorch.empty() && libtorch != OSTEON_LIBTORCH_VERSION)
    refuse("built with LibTorch " + libtorch +
           ", the engine has " OSTEON_LIBTORCH_VERSION "; two of them cannot share a process");
  for (const std::string& path : facts.run_paths) {
    if (path.find("$ORIGIN") != std::string::npos || path.find("${ORIGIN}") != std::string::npos)
      refuse("has the run path " + path + ", through which it would bring libraries of its own; link them statically");
    if (path.empty() || path.front() != '/')
      refuse("has the run path '" + path +
             "', which is a folder in whatever folder the program runs; make it absolute");
  }
  // Wheels and the like carry renamed copies of libraries that must be there once in a process.
  static const std::regex kBundled(
      "lib(gomp|iomp5|openblas|blas|mkl_[a-z0-9_]+|torch[a-z_]*|c10|opencv_[a-z0-9_]+)-[0-9a-f]{6,}\\.so.*");
  for (const std::string& name : facts.needed) {
    if (std::regex_match(name, kBundled))
      refuse("needs " + name + ", a private copy of a library that may be there only once");
    if (name.find('/') != std::string::npos)
      refuse("needs " + name + " by its path; link against a library that has a soname, or statically");
  }
}

void refuse_by_disagreement(const ElfFacts& facts, const LibraryDescription& description) {
  std::set<std::string> noted, described;
  const nlohmann::json note = parse_note(*facts.note);
  for (const nlohmann::json& component : note.at("components")) noted.insert(component_text(component));
  for (const ComponentSchema& schema : description.components)
    described.insert(std::string(to_string(schema.kind)) + " '" + schema.name + "'");
  // A kind that this host does not know has a name in the note alone.
  for (const SkippedComponent& skipped : description.skipped) {
    const std::string text = skipped.kind + " '" + skipped.name + "'";
    if (kind_from_string(skipped.kind)) {
      described.insert(text);
      continue;
    }
    for (auto it = noted.begin(); it != noted.end();)
      it = it->size() > skipped.name.size() + 2 && it->substr(it->find('\'')) == "'" + skipped.name + "'" &&
                   !kind_from_string(it->substr(0, it->find(' ')))
               ? noted.erase(it)
               : std::next(it);
  }
  for (const std::string& component : noted)
    if (described.count(component) == 0)
      refuse("its note promises the " + component + ", which its code does not have");
  for (const std::string& component : described)
    if (noted.count(component) == 0) refuse("its code has the " + component + ", of which its note says nothing");
}

}  // namespace osteon::plugin
