"""What a machine boots from: user-data, kubeadm documents, guest network, secrets."""
