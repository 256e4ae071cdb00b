// SPDX-License-Identifier: Apache-2.0
#include "plugin/private_copy.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::expect_refusal;
using test::TemporaryFolder;

TEST(PrivateCopy, HoldsTheBytesOfTheFileAndTheirDigest) {
  const TemporaryFolder folder;
  const std::string bytes = std::string(3 << 20, 'x') + '\0' + "end";
  const PrivateCopy copy(folder.write("some.so", bytes));
  EXPECT_EQ(content_of(copy.path()), bytes);
  EXPECT_EQ(copy.sha256(), sha256(bytes));
  EXPECT_EQ(PrivateCopy(folder.write("empty.so", "")).sha256(), sha256(""));
}

TEST(PrivateCopy, StaysAsItIsWhenTheFileChanges) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("some.so", "before");
  const PrivateCopy copy(file);
  folder.write("some.so", "after");  // in place
  EXPECT_EQ(content_of(copy.path()), "before");
  fs::remove(file);
  EXPECT_EQ(content_of(copy.path()), "before");
}

TEST(PrivateCopy, CannotBeWrittenToByAnybody) {
  const TemporaryFolder folder;
  const PrivateCopy copy(folder.write("some.so", "before"));
  const int file = ::open(copy.path().c_str(), O_RDWR);
  ASSERT_GE(file, 0);
  EXPECT_EQ(::pwrite(file, "after", 5, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(file, 0), -1);
  EXPECT_EQ(::mmap(nullptr, 6, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
  ::close(file);
  EXPECT_EQ(content_of(copy.path()), "before");
}

TEST(PrivateCopy, HasANameThatOtherProcessesUnderstand) {
  const TemporaryFolder folder;
  const PrivateCopy copy(folder.write("some.so", "bytes"));
  EXPECT_EQ(copy.path().string().rfind("/proc/" + std::to_string(::getpid()) + "/fd/", 0), 0u) << copy.path();
  EXPECT_NE(fs::read_symlink(copy.path()).string().find("some.so"), std::string::npos);
}

TEST(PrivateCopy, MovesWithoutBeingClosed) {
  const TemporaryFolder folder;
  PrivateCopy first(folder.write("some.so", "bytes"));
  const fs::path path = first.path();
  const PrivateCopy second(std::move(first));
  EXPECT_EQ(second.path(), path);
  EXPECT_EQ(content_of(path), "bytes");
}

TEST(PrivateCopy, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  expect_refusal(ExitCode::kPlugin, {"cannot be opened"}, [&] { PrivateCopy(folder / "absent.so"); });
  expect_refusal(ExitCode::kPlugin, {"no regular file"}, [&] { PrivateCopy(folder.path()); });
  ASSERT_EQ(::mkfifo((folder / "pipe.so").c_str(), 0600), 0);
  expect_refusal(ExitCode::kPlugin, {"no regular file"},
                 [&] { PrivateCopy(folder / "pipe.so"); });  // and does not wait
}

}  // namespace
}  // namespace osteon::plugin
