// SPDX-License-Identifier: Apache-2.0
// The first program of the Linux that vmxsim boots: it says where it is, loads modules, tries KVM where the kernel has it,
// and switches the machine off. On the kernel's command line stand the modules, as modules=NAME,NAME; an image of the
// initramfs that is to be KVM's guest, as guest="NAME ARGUMENTS"; words for a Linux that is to be KVM's guest, as
// linux="WORDS". The kernel gives its init what it does not know itself as environment.
//
// A static program: the initramfs holds nothing else. Where something fails it ends the run through the debug-exit port
// with a value other than 0.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "kvm.h"

enum { kDebugExit = 0xf4, kGood = 0, kFailed = 1 };

/// Ends the run through the debug-exit port; its value is the run's status (docs/platform.md).
static void leave(int value) {
    tcdrain(STDOUT_FILENO);  // the console's driver sends by interrupts
    if (ioperm(kDebugExit, 1, 1) == 0) outb((unsigned char)value, kDebugExit);
    for (;;) pause();
}

static void check(bool good, const char *what, const char *which) {
    if (good) return;
    printf("init: %s %s: %s\n", what, which, strerror(errno));
    leave(kFailed);
}

static void mount_at(const char *type, const char *folder) {
    mkdir(folder, 0755);
    check(mount(type, folder, type, 0, NULL) == 0 || errno == EBUSY, "mount", folder);
}

/// The first "NAME : VALUE" of /proc/cpuinfo, without its spaces; "?" where there is none.
static const char *cpuinfo(const char *name, char *value, int room) {
    char line[4096];
    strcpy(value, "?");
    FILE *file = fopen("/proc/cpuinfo", "r");
    check(file != NULL, "open", "/proc/cpuinfo");
    while (fgets(line, sizeof line, file)) {
        const size_t n = strlen(name);
        const char *colon = strchr(line, ':');
        if (strncmp(line, name, n) || (line[n] != '\t' && line[n] != ' ') || !colon) continue;
        snprintf(value, (size_t)room, "%s", colon + 1 + (colon[1] == ' '));
        value[strcspn(value, "\n")] = 0;
        break;
    }
    fclose(file);
    return value;
}

static bool has_word(const char *text, const char *word) {
    const size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += n)
        if ((at == text || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) return true;
    return false;
}

static bool has_flag(const char *flag) {
    char flags[4096];
    return has_word(cpuinfo("flags", flags, sizeof flags), flag);
}

/// A hypervisor is beneath this kernel, and says so.
static bool in_a_machine(void) { return has_flag("hypervisor"); }

static void greet(void) {
    struct utsname os;
    struct sysinfo memory;
    char model[128], family[16], number[16], mhz[32];
    uname(&os);
    sysinfo(&memory);
    printf("init: hello from %s %s %s%s\n", os.sysname, os.release, os.machine,
           in_a_machine() ? ", in a virtual machine" : "");
    printf("init: %ld processor%s: %s, family %s, model %s, %s MHz\n", sysconf(_SC_NPROCESSORS_ONLN),
           sysconf(_SC_NPROCESSORS_ONLN) == 1 ? "" : "s", cpuinfo("model name", model, sizeof model),
           cpuinfo("cpu family", family, sizeof family), cpuinfo("model", number, sizeof number),
           cpuinfo("cpu MHz", mhz, sizeof mhz));
    printf("init: VMX is %s\n", has_flag("vmx") ? "offered" : "not offered");
    printf("init: %.1f MiB of memory, up since %ld s\n", (double)memory.totalram * memory.mem_unit / (1 << 20),
           memory.uptime);
}

static void load(const char *module) {
    char path[256];
    snprintf(path, sizeof path, "/modules/%s.ko", module);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    check(file >= 0, "open", path);
    check(syscall(SYS_finit_module, file, "", 0) == 0, "load", module);
    close(file);
    printf("init: module %s is loaded\n", module);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    mount_at("devtmpfs", "/dev");
    greet();
    char *modules = getenv("modules");
    for (char *name = modules ? strtok(modules, ",") : NULL; name; name = strtok(NULL, ",")) load(name);
    const char *guest = getenv("guest"), *linux_words = getenv("linux");
    // What a guest of this kernel sees: that of L1, or of L2 where this kernel is L1 itself.
    if (access("/dev/kvm", F_OK) == 0 && !run_probe(in_a_machine() ? "guest" : "own")) leave(kFailed);
    if (guest && !run_image(guest)) leave(kFailed);
    if (linux_words && !run_linux(linux_words)) leave(kFailed);
    printf("init: good\n");
    tcdrain(STDOUT_FILENO);
    // Without ACPI nothing can switch the power off: the kernel would halt.
    if (access("/sys/firmware/acpi", F_OK) == 0) reboot(RB_POWER_OFF);
    leave(kGood);
}
