/* The few fields of the kernel's structures that lookups.bpf.c reads. Where they are is found when the program is
 * loaded (CO-RE), from the running kernel's BTF: so nothing here depends on the machine that built it. */
#pragma once

#define FIELDS __attribute__((preserve_access_index))

struct dentry;
struct file;
struct super_block;

struct qstr {
    union {
        struct { __u32 hash, len; } FIELDS;
        __u64 hash_len;
    } FIELDS;
    const unsigned char *name;
} FIELDS;

struct inode {
    __u16 i_mode;
} FIELDS;

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
} FIELDS;

struct vfsmount {
    struct dentry *mnt_root;
} FIELDS;

struct mnt_namespace;

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    struct mnt_namespace *mnt_ns;
} FIELDS;

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
} FIELDS;

struct file {
    unsigned int f_mode;
    void *private_data;
    struct inode *f_inode;
    struct path f_path;
} FIELDS;

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
} FIELDS;

struct files_struct {
    struct fdtable *fdt;
} FIELDS;

struct fs_struct {
    struct path root, pwd;
} FIELDS;

struct mm_struct {
    struct file *exe_file;
} FIELDS;

struct user_namespace;

struct cred {
    struct user_namespace *user_ns;
} FIELDS;

struct signal_struct {
    unsigned int flags;
} FIELDS;

struct thread_info {
    __u32 status; /* x86 alone has it */
} FIELDS;

struct nsproxy {
    struct mnt_namespace *mnt_ns;
} FIELDS;

struct task_struct {
    struct thread_info thread_info;
    int pid, tgid, exit_code;
    struct mm_struct *mm;
    struct fs_struct *fs;
    struct files_struct *files;
    const struct cred *real_cred;
    struct signal_struct *signal;
    struct nsproxy *nsproxy;
} FIELDS;

/* What an iterator of tasks is given: bpf_iter.rst. */
struct bpf_iter__task {
    void *meta;
    struct task_struct *task;
};

struct linux_binprm {
    const char *filename, *interp, *fdpath;
} FIELDS;

struct socket {
    short type;
} FIELDS;

struct io_cqe {
    int fd;
} FIELDS;

/* A request of an io_uring begins with what its operation keeps of it: one of the structures below. */
struct io_kiocb {
    __u8 opcode;
    struct io_cqe cqe;
    void *async_data;
} FIELDS;

struct filename {
    const char *name;
} FIELDS;

struct open_how {
    __u64 flags, resolve;
} FIELDS;

struct io_open {
    int dfd;
    struct filename *filename;
    struct open_how how;
} FIELDS;

struct io_statx {
    int dfd;
    struct filename *filename;
} FIELDS;

struct io_unlink {
    int dfd;
    struct filename *filename;
} FIELDS;

struct io_mkdir {
    int dfd;
    struct filename *filename;
} FIELDS;

struct io_xattr {
    struct filename *filename;
} FIELDS;

struct io_rename {
    int old_dfd, new_dfd;
    struct filename *oldpath, *newpath;
} FIELDS;

struct io_link { /* of symlinks, too */
    int old_dfd, new_dfd;
    struct filename *oldpath, *newpath;
} FIELDS;

struct io_connect {
    int addr_len;
} FIELDS;

struct io_bind {
    int addr_len;
} FIELDS;

struct __kernel_sockaddr_storage {
    char bytes[128];
};

struct msghdr {
    void *msg_name;
    int msg_namelen;
} FIELDS;

struct io_async_connect { /* before 6.10, when addresses were copied late */
    char unread;
};

struct io_async_msghdr { /* of a request that may have an address */
    struct msghdr msg;
    struct __kernel_sockaddr_storage addr;
} FIELDS;

struct io_sq_data {
    struct task_struct *thread;
} FIELDS;

struct io_ring_ctx {
    struct io_sq_data *sq_data;
} FIELDS;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
    unsigned long di, si, dx, r10, r8, r9, bx, cx, bp, orig_ax;
} FIELDS;
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
    __u64 regs[31], pstate, orig_x0;
    int syscallno;
} FIELDS;
#else
#error "lookups: no registers known for this architecture"
#endif
