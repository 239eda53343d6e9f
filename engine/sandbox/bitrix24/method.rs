//! The REST methods that the sandbox knows, of both generations.

macro_rules! methods {
    ($($variant:ident = $generation:ident $scope:ident $name:literal,)*) => {
        /// A REST method. Names overlap between generations; parameters and answers do not, so they are different methods.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Method {
            /// Every method, in the order of declaration.
            pub const ALL: &[Method] = &[$(Method::$variant,)*];

            /// The name in the address, in lower case for the second generation. One of REST 3.0 begins with `api/`, as
            /// its address does.
            pub fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* }
            }

            pub(super) fn generation(self) -> Generation {
                match self { $(Method::$variant => Generation::$generation,)* }
            }

            pub(super) fn scope(self) -> Scope {
                match self { $(Method::$variant => Scope::$scope,)* }
            }
        }
    };
}

/// `/rest/…` or `/rest/api/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    V2,
    V3,
}

/// What a webhook must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nothing: `user.current`, `batch` and what tells about REST itself.
    Basic,
    /// `task`: tasks of the second generation.
    Task,
    /// `tasks`: tasks of REST 3.0.
    Tasks,
    /// `disk`.
    Disk,
    /// `user`.
    User,
    /// `user_brief`: people without their addresses.
    UserBrief,
    /// `im`: chats.
    Im,
}

impl Scope {
    /// Every scope that can be ticked.
    pub const ALL: &[Scope] =
        &[Scope::Task, Scope::Tasks, Scope::Disk, Scope::User, Scope::UserBrief, Scope::Im];

    /// As the portal calls it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Basic => "basic",
            Scope::Task => "task",
            Scope::Tasks => "tasks",
            Scope::Disk => "disk",
            Scope::User => "user",
            Scope::UserBrief => "user_brief",
            Scope::Im => "im",
        }
    }
}

methods! {
    TaskAdd = V2 Task "tasks.task.add",
    TaskGet = V2 Task "tasks.task.get",
    TaskList = V2 Task "tasks.task.list",
    TaskUpdate = V2 Task "tasks.task.update",
    TaskDelete = V2 Task "tasks.task.delete",
    TaskComplete = V2 Task "tasks.task.complete",
    TaskRenew = V2 Task "tasks.task.renew",
    TaskStart = V2 Task "tasks.task.start",
    TaskPause = V2 Task "tasks.task.pause",
    TaskDefer = V2 Task "tasks.task.defer",
    TaskAttach = V2 Task "tasks.task.files.attach",
    StagesGet = V2 Task "task.stages.get",
    StagesMove = V2 Task "task.stages.movetask",
    CommentAdd = V2 Task "task.commentitem.add",
    MessagesGet = V2 Im "im.dialog.messages.get",
    StorageList = V2 Disk "disk.storage.getlist",
    StorageUpload = V2 Disk "disk.storage.uploadfile",
    FolderUpload = V2 Disk "disk.folder.uploadfile",
    Upload = V2 Disk "upload",
    AttachedGet = V2 Disk "disk.attachedobject.get",
    UserGet = V2 User "user.get",
    UserCurrent = V2 Basic "user.current",
    Batch = V2 Basic "batch",
    Scopes = V2 Basic "scope",
    Methods = V2 Basic "methods",
    MethodGet = V2 Basic "method.get",
    Task3Add = V3 Tasks "api/tasks.task.add",
    Task3Get = V3 Tasks "api/tasks.task.get",
    Task3List = V3 Tasks "api/tasks.task.list",
    Task3Update = V3 Tasks "api/tasks.task.update",
    Task3Delete = V3 Tasks "api/tasks.task.delete",
    Task3Attach = V3 Tasks "api/tasks.task.file.attach",
    Task3Say = V3 Tasks "api/tasks.task.chat.message.send",
    Batch3 = V3 Basic "api/batch",
    OpenApi = V3 Basic "api/rest.documentation.openapi",
}

impl Method {
    /// The method with this [`Method::name`]; in any case for the second generation only.
    pub fn parse(name: &str) -> Option<Method> {
        Method::ALL.iter().copied().find(|method| match method.generation() {
            Generation::V2 => method.name().eq_ignore_ascii_case(name),
            Generation::V3 => method.name() == name,
        })
    }

    /// Whether it may carry an `Idempotency-Key`.
    pub(super) fn takes_key(self) -> bool {
        matches!(
            self,
            Method::Task3Add
                | Method::Task3Update
                | Method::Task3Delete
                | Method::Task3Attach
                | Method::Task3Say
        )
    }

    /// Whether it changes something, itself and not through a batch.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Method::TaskAdd
                | Method::TaskUpdate
                | Method::TaskDelete
                | Method::TaskComplete
                | Method::TaskRenew
                | Method::TaskStart
                | Method::TaskPause
                | Method::TaskDefer
                | Method::TaskAttach
                | Method::StagesMove
                | Method::CommentAdd
                | Method::StorageUpload
                | Method::FolderUpload
                | Method::Upload
        ) || self.takes_key()
    }

    /// Whether a batch may do it.
    pub(super) fn may_be_batched(self) -> bool {
        !matches!(
            self,
            Method::Batch | Method::Batch3 | Method::Upload | Method::FolderUpload | Method::StorageUpload
        )
    }
}
