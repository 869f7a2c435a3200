// SPDX-License-Identifier: Apache-2.0
// The connection to GDB: one socket on the loopback interface.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "sim/debug/gdb_stub.hpp"
#include "sim/error.hpp"

namespace vmxsim::sim {

namespace {

class Socket : public GdbLink {
public:
    explicit Socket(int fd) : fd_(fd) {}
    ~Socket() override { close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void send(std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return;  // GDB has gone: get() tells
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    int get() override {
        if (at_ == end_) fill(0);
        return at_ < end_ ? buffer_[at_++] : -1;
    }
    int poll() override {
        if (at_ == end_) fill(MSG_DONTWAIT);
        return at_ < end_ ? buffer_[at_++] : -1;
    }

private:
    void fill(int flags) {
        at_ = end_ = 0;
        ssize_t n;
        do n = recv(fd_, buffer_, sizeof buffer_, flags);
        while (n < 0 && errno == EINTR);
        if (n > 0) end_ = static_cast<std::size_t>(n);
    }
    int fd_;
    u8 buffer_[4096];
    std::size_t at_ = 0, end_ = 0;
};

[[noreturn]] void fail(u16 port) {
    throw InputError(fmt::format("--gdb: port {} cannot be listened on ({}), expected a free port from 1024", port, std::strerror(errno)));
}

}  // namespace

std::unique_ptr<GdbLink> wait_for_gdb(u16 port, const std::string& program) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) fail(port);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) < 0) {
        const int error = errno;
        close(listener);
        errno = error;
        fail(port);
    }
    // GDB takes a 32-bit multiboot file's word that the processor has no more.
    fmt::print(stderr, "vmxsim: waits for gdb: gdb -ex 'set architecture i386:x86-64' -ex 'target remote localhost:{}' {}\n",
               ntohs(address.sin_port), program);
    std::fflush(stderr);
    int connected;
    do connected = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    while (connected < 0 && errno == EINTR);
    close(listener);
    if (connected < 0) fail(port);
    setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return std::make_unique<Socket>(connected);
}

}  // namespace vmxsim::sim
